//! What a member's client id tells the others of its group: who it is, where its admin port is, which rulebook it runs.
//!
//! `cxwatch-pod-1-0@10.0.0.7:9464-rules-0f3a9c41d2b7`. Whoever describes the group sees the client ids of all members, so
//! neither the address nor the rulebook needs a place of its own. Names of applications and instances hold no `@`.

use cxwatch_kafka::groups::GroupMember;
use cxwatch_rulebook::Rulebook;
use std::net::{IpAddr, SocketAddr};

/// What stands before the address in a client id.
const AT: char = '@';
/// What stands before the hash in a client id.
const MARK: &str = "-rules-";
/// So many digits of the hash tell rulebooks apart.
const DIGITS: usize = 12;

/// A rulebook's hash, as client ids carry it.
pub(crate) fn short_hash(book: &Rulebook) -> String {
    book.hash[..DIGITS / 2].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The client id of a member that runs a rulebook, and can be asked at an address.
pub(crate) fn client_id(name: &str, address: Option<&str>, rules: &str) -> String {
    let address = address.map_or_else(String::new, |address| format!("{AT}{address}"));
    format!("{name}{address}{MARK}{rules}")
}

/// The rulebook that a client id tells of. One that an operator has set tells of none.
pub(crate) fn rules_of(client_id: &str) -> Option<&str> {
    let (_, rules) = client_id.rsplit_once(MARK)?;
    let is_hash = rules.len() == DIGITS && rules.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then_some(rules)
}

/// The member's name in a client id; all of it where an operator has set it.
pub(crate) fn name_of(client_id: &str) -> &str {
    let name = rules_of(client_id).and_then(|_| client_id.rsplit_once(MARK)).map_or(client_id, |(n, _)| n);
    name.split_once(AT).map_or(name, |(name, _)| name)
}

/// Where the process of a member can be asked, as far as its client id tells.
pub(crate) fn address_of(member: &GroupMember) -> Option<String> {
    rules_of(&member.client_id)?;
    let (rest, _) = member.client_id.rsplit_once(MARK)?;
    let (_, address) = rest.split_once(AT)?;
    Some(match address.strip_prefix(':') {
        Some(port) => format!("{}:{port}", in_brackets(host_of(member))),
        None => address.to_owned(),
    })
}

/// Where a member comes from, as the brokers see it.
pub(crate) fn host_of(member: &GroupMember) -> &str {
    member.host.trim_start_matches('/')
}

/// How an address of IPv6 stands before a port.
fn in_brackets(host: &str) -> String {
    match host.parse() {
        Ok(IpAddr::V6(v6)) => format!("[{v6}]"),
        _ => host.to_owned(),
    }
}

/// What to tell others where no `admin.advertised` is set: a port alone, where any address of this host will do.
pub(crate) fn advertised(listens: SocketAddr) -> String {
    if listens.ip().is_unspecified() { format!(":{}", listens.port()) } else { listens.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00aa11bb22cc";

    fn member(client_id: String, host: &str) -> GroupMember {
        GroupMember { member_id: String::new(), client_id, host: host.to_owned(), partitions: Vec::new() }
    }

    #[test]
    fn who_where_and_which_rulebook_are_told_apart() {
        let id = client_id("cx-pod-1-0", Some("cx-1.example:9464"), HASH);
        assert_eq!(id, "cx-pod-1-0@cx-1.example:9464-rules-00aa11bb22cc");
        assert_eq!((rules_of(&id), name_of(&id)), (Some(HASH), "cx-pod-1-0"));
        assert_eq!(address_of(&member(id, "/10.0.0.7")).as_deref(), Some("cx-1.example:9464"));
        let without = client_id("cx-pod-1-0", None, HASH);
        assert_eq!((rules_of(&without), name_of(&without)), (Some(HASH), "cx-pod-1-0"));
        assert_eq!(address_of(&member(without, "/10.0.0.7")), None);
    }

    #[test]
    fn a_client_id_of_the_operators_tells_nothing() {
        for id in
            ["", "rdkafka", "shop-rules-v2", "shop-rules-00aa11bb22cc-eu", "shop@x:1-rules-00AA11BB22CC"]
        {
            assert_eq!(rules_of(id), None, "{id}");
            assert_eq!(address_of(&member(id.to_owned(), "/10.0.0.7")), None, "{id}");
        }
        assert_eq!(name_of("shop-rules-v2"), "shop-rules-v2");
    }

    #[test]
    fn who_listens_everywhere_is_asked_where_the_brokers_see_it() {
        let everywhere = advertised(([0, 0, 0, 0], 9464).into());
        let at = |host: &str| address_of(&member(client_id("a-0", Some(&everywhere), HASH), host));
        assert_eq!(at("/10.0.0.7").as_deref(), Some("10.0.0.7:9464"));
        assert_eq!(at("/0:0:0:0:0:0:0:1").as_deref(), Some("[::1]:9464"));
        assert_eq!(advertised(([10, 0, 0, 9], 80).into()), "10.0.0.9:80");
    }
}
