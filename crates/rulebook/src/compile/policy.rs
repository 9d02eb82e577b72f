//! The section `policy`, and what events mean to decisions.

use super::scope::Scope;
use super::treatment::{at_least_one, holdout};
use crate::calendar;
use crate::yaml::{Body, Node, Place, nearest};
use crate::{Action, Cap, Class, Cond, DeskUse, FieldRef, Op, Outcome, Policy, QuietHours};
use compact_str::CompactString;
use cxwatch_event::{Catalogue, Micro, Millis, TypeId, Value, builtin};
use std::collections::BTreeSet;

/// The most caps.
const CAPS_MAX: usize = 16;
/// The most events that go with an action.
const TIMELINE_MAX: i64 = 50;
const CLOCK: &str = "a time of day in quotes: `\"21:00\"`";

/// Reads the section.
pub(super) fn read(scope: &Scope<'_>, node: &Node) -> Option<Policy> {
    let reader = scope.reader;
    let map = reader.map(node, "`policy`")?;
    let usual = Policy::default();
    let zone = map.get("zone").map_or(Some(usual.zone), |node| zone(scope, node));
    let quiet_hours = map.get("quiet_hours").map_or(Some(None), |node| quiet_hours(scope, node).map(Some));
    let caps = map.get("caps").map_or(Some(Vec::new()), |node| {
        let items = reader.list(node);
        if items.len() > CAPS_MAX {
            reader.error(node.place, format!("{} caps", items.len())).expected(format!("at most {CAPS_MAX}"));
        }
        let caps: Vec<_> = items.iter().map(|item| cap(scope, item)).collect();
        caps.into_iter().collect()
    });
    let brake = map.get("brake").map_or(Some(None), |node| at_least_one(reader, node, "brake").map(Some));
    let holdout: Option<Micro> = map.get("holdout").map_or(Some(usual.holdout), |node| holdout(scope, node));
    let declined_for_ms =
        map.get("declined_for").map_or(Some(usual.declined_for_ms), |node| reader.duration(node));
    let timeline = map
        .get("timeline")
        .map_or(Some(usual.timeline), |node| reader.integer(node, 0..=TIMELINE_MAX).map(|n| n as u8));
    map.done();
    Some(Policy {
        zone: zone?,
        quiet_hours: quiet_hours?,
        caps: caps?,
        brake: brake?,
        holdout: holdout?,
        declined_for_ms: declined_for_ms?,
        timeline: timeline?,
    })
}

fn zone(scope: &Scope<'_>, node: &Node) -> Option<CompactString> {
    let name = scope.reader.text(node)?;
    if calendar::zone_named(name).is_none() {
        let names = calendar::zone_names();
        let problem = scope.reader.error(node.place, format!("the time zone `{name}` is unknown"));
        let problem = problem.expected("a zone of the IANA database like `Europe/Berlin`");
        if let Some(near) = nearest(name, names.iter().map(String::as_str)) {
            problem.suggest(near);
        }
        return None;
    }
    Some(name.into())
}

fn quiet_hours(scope: &Scope<'_>, node: &Node) -> Option<QuietHours> {
    let reader = scope.reader;
    let map = reader.map(node, "`quiet_hours`")?;
    let clock = |key: &'static str| {
        let node = map.need(key)?;
        let minutes = node.scalar().and_then(super::calendars::clock);
        if minutes.is_none() {
            reader.mismatch(node, CLOCK);
        }
        minutes
    };
    let (from, until) = (clock("from"), clock("until"));
    let channels = map.get("channels").map_or(Some(Vec::new()), |node| {
        let items = reader.list_or_single(node);
        let words: Vec<_> = items.iter().map(|item| reader.text(item).map(CompactString::from)).collect();
        words.into_iter().collect()
    });
    map.done();
    let (from, until) = (from? % 1440, until?);
    if from == until % 1440 {
        let what =
            if until == 1440 { "quiet hours of a whole day" } else { "quiet hours that begin when they end" };
        let problem = reader.error(node.place, format!("{what}: nobody would ever be reached, or always"));
        problem.expected(
            "`from` and `until` that differ; without `quiet_hours` customers are reached at any time",
        );
        return None;
    }
    Some(QuietHours { from: from as u16, until: (until % 1440) as u16, channels: channels? })
}

fn cap(scope: &Scope<'_>, node: &Node) -> Option<Cap> {
    let reader = scope.reader;
    let map = reader.map(node, "a cap")?;
    let channel = map.get("channel").map_or(Some(None), |node| reader.text(node).map(|t| Some(t.into())));
    let by = map
        .get("by")
        .map_or(Some(None), |node| reader.one_of(node, &["person", "machine"]).map(|t| Some(t.into())));
    let at_most = map.need("at_most").and_then(|node| at_least_one(reader, node, "cap"));
    let within = map.need("within").and_then(|node| Some((node.place, reader.duration(node)?)));
    map.done();
    let (place, within_ms) = within?;
    if within_ms == 0 {
        reader.error(place, "a duration of 0").expected("more than 0");
        return None;
    }
    Some(Cap { channel: channel?, by: by?, at_most: at_most?, within_ms })
}

/// Warns of channels in caps and quiet hours through which nothing can go.
pub(super) fn warn_of_channels(scope: &Scope<'_>, policy: &Node, actions: &[Action]) {
    let fields = scope.profile().map(|spec| spec.fields.as_slice()).unwrap_or_default();
    let consent = fields.iter().filter_map(|field| field.name.strip_prefix("consent.")?.split('.').next());
    let known: BTreeSet<&str> = consent.chain(actions.iter().map(|action| action.channel.as_str())).collect();
    let caps = policy.entry("caps").map_or(&[][..], |node| items(node));
    let quiet = policy.entry("quiet_hours").and_then(|node| node.entry("channels"));
    let named =
        caps.iter().filter_map(|cap| cap.entry("channel")).chain(quiet.iter().flat_map(|node| items(node)));
    for node in named {
        let Some(name) = node.scalar().filter(|name| !known.contains(name)) else { continue };
        let problem =
            scope.reader.warning(node.place, format!("no action goes through the channel `{name}`"));
        let problem = problem.expected("a channel of `actions`, or of the profile's `consent`");
        problem.nearest(name, known.iter().copied());
    }
}

/// The items of a list, or the one value that stands for it.
fn items(node: &Node) -> &[Node] {
    match &node.body {
        Body::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// What works, but hardly as it was meant. `place` says where an action stands.
pub(super) fn warn(scope: &Scope<'_>, policy: &Policy, actions: &[Action], place: impl Fn(&str) -> Place) {
    let reader = scope.reader;
    for action in actions.iter().filter(|a| a.class.reaches_out()) {
        let (id, channel) = (&action.id, &action.channel);
        if scope.profile_field(&consent_field(action)).is_none() && !channel.is_empty() {
            let what =
                if action.purpose == "marketing" { "it is never proposed" } else { "it is taken as given" };
            let message = format!(
                "no field of the customer's profile says whether `{id}` has consent ({} for {channel}): {what}",
                action.purpose
            );
            let field = consent_field(action);
            reader.warning(place(id), message).expected(format!(
                "a channel of the profile's `consent`, or `types: {{ {}: {{ fields: {{ {field}: bool }} }} }}`",
                builtin::PROFILE
            ));
        }
        if let Some(quiet) = policy.quiet_hours.as_ref().filter(|q| q.covers(channel))
            && action.class == Class::Offer
            && action.ttl_ms < quiet.lasts_ms()
        {
            let message = format!(
                "`{id}` lives shorter than the quiet hours last: what is found when they begin expires before they end"
            );
            reader
                .warning(place(id), message)
                .expected("a longer `ttl`, or shorter quiet hours on this channel");
        }
    }
}

/// Where the profile says whether a customer agrees to an action.
fn consent_field(action: &Action) -> String {
    format!("consent.{}.{}", action.channel, action.purpose)
}

/// The fields of the profile that decisions read by themselves.
pub(super) fn profile_fields(actions: &[Action]) -> Vec<String> {
    let reaching = actions.iter().filter(|a| a.class.reaches_out());
    let mut fields: Vec<String> = reaching.map(consent_field).collect();
    if !fields.is_empty() {
        fields.push("time_zone".to_owned());
    }
    fields
}

/// By type: what its events mean to decisions.
pub(super) fn desk_uses(catalogue: &Catalogue, policy: &Policy, actions: &[Action]) -> Vec<Option<DeskUse>> {
    const OUTCOMES: [(&str, Outcome); 7] = [
        ("outcome.accepted", Outcome::Accepted),
        ("outcome.declined", Outcome::Declined),
        ("outcome.contacted", Outcome::Contacted),
        ("outcome.saved", Outcome::Saved),
        ("outcome.failed", Outcome::Failed),
        ("outcome.unreachable", Outcome::Unreachable),
        ("outcome.rejected", Outcome::Rejected),
    ];
    let mut uses = vec![None; catalogue.len()];
    let mut set = |id: TypeId, used: DeskUse| uses[usize::from(id.0)] = Some(used);
    if actions.is_empty() {
        return uses;
    }
    for (name, outcome) in OUTCOMES {
        let Some(id) = catalogue.id(name) else { continue };
        let Some(action_id) = catalogue.spec(id).field("action_id") else { continue };
        set(id, DeskUse::Outcome { outcome, action_id });
    }
    if policy.caps.is_empty() {
        return uses;
    }
    for name in ["campaign.sent", "contact.message_sent"] {
        let Some(id) = catalogue.id(name) else { continue };
        let spec = catalogue.spec(id);
        let Some(channel) = spec.field("channel").map(FieldRef::Data) else { continue };
        let ours = ["bot", "system"].map(|by| Value::Text(by.into()));
        let when = match spec.field("by") {
            Some(by) => Cond::Test(FieldRef::Data(by), Op::In(ours.to_vec())),
            None => Cond::True,
        };
        set(id, DeskUse::Contact { when, channel });
    }
    uses
}

impl QuietHours {
    /// Whether they hold on a channel.
    pub fn covers(&self, channel: &str) -> bool {
        self.channels.is_empty() || self.channels.iter().any(|c| c == channel)
    }

    /// How long they last, on a day of 24 hours.
    pub fn lasts_ms(&self) -> Millis {
        let minutes = (i64::from(self.until) - i64::from(self.from)).rem_euclid(1440);
        minutes * 60_000
    }
}
