use super::read;
use cxwatch_event::mapping::{Mapped, Mapping};
use cxwatch_event::{
    Catalogue, Field, FieldType, Interest, Privacy, TypeId, TypeInterest, TypeSpec, Value, number, rfc3339,
};

fn field(name: &str, kind: FieldType, required: bool) -> Field {
    Field { name: name.into(), kind, required, privacy: Privacy::None, one_of: vec![], about: "".into() }
}

/// The built-in types and some of every kind of field.
fn catalogue() -> Catalogue {
    let own = |name: &str, fields: Vec<Field>| TypeSpec {
        name: name.into(),
        feed: Some("lab".into()),
        fields,
        about: "".into(),
    };
    Catalogue::builtin().with([
        own("lab.begun", vec![field("run", FieldType::Text, true)]),
        own(
            "lab.measured",
            vec![
                field("run", FieldType::Text, false),
                field("level", FieldType::Number, false),
                field("count", FieldType::Integer, false),
                field("good", FieldType::Bool, false),
                field("due", FieldType::Time, false),
            ],
        ),
    ])
}

fn everything(catalogue: &Catalogue) -> Interest {
    Interest { types: catalogue.types().map(|_| Some(TypeInterest { fields: u64::MAX })).collect() }
}

fn mapping(text: &str) -> Mapping {
    let read = read("mapping.yaml", text, &catalogue());
    read.unwrap_or_else(|problems| panic!("{}", lines(&problems))).0
}

fn lines(problems: &[crate::yaml::Problem]) -> String {
    problems.iter().map(|p| format!("{p}\n")).collect()
}

fn problems(text: &str) -> String {
    match read("m.yaml", text, &catalogue()) {
        Ok(_) => String::new(),
        Err(problems) => lines(&problems),
    }
}

/// One line for every event and refusal of the records.
fn mapped(text: &str, input: &str) -> Vec<String> {
    let (mapping, catalogue) = (mapping(text), catalogue());
    let mut shown = Vec::new();
    for section in &mapping.sections {
        let mut rows = match section.read(input.as_bytes()).expect("no I/O") {
            Ok(rows) => rows,
            Err(rejection) => {
                shown.push(format!("{}: {rejection}", section.feed));
                continue;
            }
        };
        while let Some(record) = rows.next(&everything(&catalogue)).expect("no I/O") {
            shown.extend(show(&record, &catalogue));
        }
    }
    shown
}

fn show(record: &Mapped, catalogue: &Catalogue) -> Vec<String> {
    let row = record.row;
    let events = record.record.events.iter().map(|event| {
        let spec = catalogue.spec(event.kind);
        let mut line = format!(
            "{row}.{} {} {}",
            event.sub,
            spec.name,
            rfc3339::format(event.time).replace(".000Z", "Z")
        );
        line += &format!(" {} {}", event.customer, event.id);
        for f in &event.fields {
            let value = match &f.value {
                Value::Text(text) => text.to_string(),
                Value::Number(n) => number::format_micro(*n),
                Value::Bool(b) => b.to_string(),
                Value::Time(t) => rfc3339::format(*t).replace(".000Z", "Z"),
            };
            line += &format!(" {}={value}", spec.fields[usize::from(f.field.0)].name);
        }
        line
    });
    let refused = record.rejected.iter().map(|refusal| match refusal.sub {
        Some(sub) => format!("{row}.{sub} {}", refusal.rejection),
        None => format!("{row} {}", refusal.rejection),
    });
    let mut lines: Vec<_> = events.chain(refused).collect();
    if record.skipped {
        lines.push(format!("{row} skipped"));
    }
    lines
}

const CALLS: &str = r#"
mapping: calls
feeds:
  - feed: contact-center
    format: csv
    zone: Europe/Berlin
    missing: ["?", NA]
    when: { outcome: { is_not: TEST } }
    customer: { first: [{ column: who, missing: "0", where: { lacks: E } }, { join: [{ const: call }, { record: row }], with: "-" }] }
    id: { record: row }
    times:
      queued: { columns: [date, start], format: "%y%m%d %H:%M:%S" }
      left: { at: queued, plus: { seconds: waited } }
    events:
      - type: contact.queued
        time: queued
        data: { contact_id: { record: row }, channel: { const: voice }, priority: priority }
      - type: contact.answered
        when: { outcome: AGENT }
        time: left
        data: { contact_id: { record: row } }
      - type: contact.abandoned
        when: { outcome: HANG }
        time: left
        data: { contact_id: { record: row } }
"#;

#[test]
fn one_row_becomes_several_events_each_with_its_own_time_and_place() {
    let input = "who,date,start,waited,outcome,priority\n\
                 77,990201,7:15:01,9,HANG,2\n\
                 0,990701,7:15:01,90,AGENT,?\n\
                 6.1E+11,990701,7:15:01,1,TEST,\n";
    assert_eq!(
        mapped(CALLS, input),
        [
            "1.0 contact.queued 1999-02-01T06:15:01Z 77 1 contact_id=1 channel=voice priority=2",
            "1.2 contact.abandoned 1999-02-01T06:15:10Z 77 1 contact_id=1",
            "2.0 contact.queued 1999-07-01T05:15:01Z call-2 2 contact_id=2 channel=voice",
            "2.1 contact.answered 1999-07-01T05:16:31Z call-2 2 contact_id=2",
            "3 skipped",
        ]
    );
}

#[test]
fn what_is_wrong_with_a_record_is_refused_with_its_place() {
    let input = "who,date,start,waited,outcome,priority\n\
                 1,990230,7:15:01,9,HANG,2\n\
                 1,990201,25:00:00,9,HANG,2\n\
                 1,990201,7:15:01,,AGENT,x\n\
                 1,990201,7:15:01,soon,AGENT,1.5\n\
                 1,990201\n";
    assert_eq!(
        mapped(CALLS, input),
        [
            "1.0 bad_time at column \"date\": expected a date that exists",
            "1.2 bad_time at column \"date\": expected a date that exists",
            "2.0 bad_time at column \"date\": expected %y%m%d %H:%M:%S",
            "2.2 bad_time at column \"date\": expected %y%m%d %H:%M:%S",
            "3.0 wrong_type at column \"priority\": expected a whole number for priority",
            "3.1 missing_field at column \"date\": expected the event's time, found nothing",
            "4.0 wrong_type at column \"priority\": expected a whole number for priority",
            "4.1 bad_time at column \"waited\": expected a number",
            "5 malformed at row 5: expected 6 columns, found 2",
        ]
    );
}

#[test]
fn a_file_that_lacks_a_column_is_refused_as_a_whole() {
    let refused = mapped(CALLS, "who,date,begin,outcome\n1,2,3,4\n");
    assert_eq!(
        refused,
        [
            "contact-center: missing_field at header: expected the columns \"start\", \"waited\", \"priority\"; \
          there are: who, date, begin, outcome"
        ]
    );
    assert_eq!(mapped(CALLS, "").len(), 1);
    assert_eq!(mapped(CALLS, "\u{feff}who,date,start,waited,outcome,priority\n"), [""; 0]);
}

#[test]
fn rows_without_a_header_and_types_by_a_table() {
    let text = r#"
mapping: clicks
feeds:
  - feed: web
    format: csv
    columns: [user, item, behavior, seconds]
    customer: user
    id: { record: line }
    times: { at: { column: seconds, format: unix_s } }
    events:
      - type: { of: behavior, table: { pv: web.page.viewed, cart: web.cart.item_added }, others: skip }
        time: at
        data: { url: item, cart_id: user, sku: item }
  - feed: transaction
    format: csv
    header: false
    when: { 3: buy }
    customer: 1
    id: { record: row }
    times: { at: { column: 4, format: unix_s } }
    events:
      - type: order.placed
        time: at
        data: { order_id: { record: row } }
"#;
    let input = "u1,i1,pv,1511658000\n\nu2,i2,cart,1511658001\nu1,i1,buy,1511658002\nu1,i1,pv\n";
    assert_eq!(
        mapped(text, input),
        [
            "1.0 web.page.viewed 2017-11-26T01:00:00Z u1 1 url=i1",
            "2.0 web.cart.item_added 2017-11-26T01:00:01Z u2 3 cart_id=u2 sku=i2",
            "4 malformed at row 4: expected 4 columns, found 3",
            "1 skipped",
            "2 skipped",
            "3.0 order.placed 2017-11-26T01:00:02Z u1 3 order_id=3",
            "4 malformed at row 4: expected at least 4 columns, found 3",
        ]
    );
}

const POSTS: &str = r#"
mapping: posts
feeds:
  - feed: lab
    format: json
    missing: ""
    source: crm
    customer: /customer/id
    id: { join: [/id, /part], with: "/" }
    times: { posted: { first: [{ column: /at }, { column: /at_ms, format: unix_ms }] } }
    events:
      - type: { of: /kind, table: { begin: lab.begun, value: lab.measured } }
        time: posted
        data:
          run: /run
          level: /level
          count: /count
          good: /good
          due: { at: posted, plus: { hours: /hours, minutes: 30 }, not_before: { column: /earliest } }
"#;

#[test]
fn json_by_pointers() {
    let input = r#"
{"kind":"begin","id":"a","part":1,"customer":{"id":7},"at":"2026-11-24 12:00:00+01:00","run":"x"}
{"kind":"value","id":"b","part":2,"customer":{"id":"k"},"at_ms":1511658000500,"level":1.5,"count":3.0,"good":true,"hours":2}
{"kind":"value","id":"c","part":2,"customer":{"id":"k"},"at":"2026-11-24T12:00:00Z","hours":2,"earliest":"2026-12-01T00:00:00Z","run":null}
{"kind":"other","id":"d","part":2,"customer":{"id":"k"},"at":"2026-11-24T12:00:00Z"}
{"kind":"begin","id":"e","part":2,"customer":{"id":"k"},"at":"2026-11-24T12:00:00Z"}
{"kind":"begin","id":"f","part":2,"customer":{},"at":"2026-11-24T12:00:00Z","run":"x"}
{"kind":"begin","id":"g","part":2,"customer":{"id":["k"]},"at":"2026-11-24T12:00:00Z","run":"x"}
{"kind":"begin","id":"h","part":2,"customer":{"id":"k"},"at":"2026-11-24T12:00:00","run":"x"}
{"kind":"begin"
[1]
"#;
    assert_eq!(
        mapped(POSTS, input),
        [
            "1.0 lab.begun 2026-11-24T11:00:00Z 7 a/1 run=x",
            "2.0 lab.measured 2017-11-26T01:00:00.500Z k b/2 level=1.5 count=3 good=true due=2017-11-26T03:30:00.500Z",
            "3.0 lab.measured 2026-11-24T12:00:00Z k c/2 due=2026-12-01T00:00:00Z",
            "4.0 unknown_type at /kind: expected one of the names in the mapping's table of types",
            "5.0 missing_field at /run: expected run, found nothing",
            "6.0 missing_field at /customer/id: expected the customer, found nothing",
            "7.0 wrong_type at /customer/id: expected a text, number or truth value",
            "8.0 bad_time at /at: expected an offset from UTC, or a `zone` in the mapping",
            "9 malformed at byte 15: expected a JSON object on one line",
            "10 malformed at byte 0: expected a JSON object",
        ]
    );
}

#[test]
fn a_quote_that_is_left_open_ends_with_its_line_where_rows_are_lines() {
    let text = "mapping: log\nfeeds:\n  - feed: web\n    format: csv\n    delimiter: space\n    one_line: true\n    \
                columns: [who, at, what]\n    customer: who\n    id: { record: line }\n    \
                events: [{ type: web.help.viewed, time: { column: at, format: unix_s }, data: { topic: what } }]\n";
    let input = "a 1 \"x y\"\n\nb 2 \"open (\nc 3 z\n";
    let first = "1.0 web.help.viewed 1970-01-01T00:00:01Z a 1 topic=x y";
    assert_eq!(
        mapped(text, input),
        [
            first,
            "2.0 web.help.viewed 1970-01-01T00:00:02Z b 3 topic=open (",
            "3.0 web.help.viewed 1970-01-01T00:00:03Z c 4 topic=z",
        ]
    );
    // Else it takes the next lines in.
    assert_eq!(
        mapped(&text.replace("one_line: true", "one_line: false"), &input.replace("\n\n", "\n")),
        [first, "2.0 web.help.viewed 1970-01-01T00:00:02Z b 2 topic=open (\nc 3 z\n"]
    );
    let headed = text.replace("    columns: [who, at, what]\n", "");
    assert_eq!(mapped(&headed, "who at what\na 1 x\n").len(), 1);
}

#[test]
fn rows_and_lines_have_a_limit() {
    let text = "mapping: log\nfeeds:\n  - feed: web\n    format: csv\n    columns: [who, at, what]\n    customer: who\n    \
                id: { record: line }\n    \
                events: [{ type: web.help.viewed, time: { column: at, format: unix_s }, data: { topic: what } }]\n";
    let long = "x".repeat(1_100_000);
    let input = format!("a,1,x\nb,2,{long}\nc,3,x\n");
    let lines = mapped(&text.replace("format: csv", "format: csv\n    one_line: true"), &input);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1], "2 too_large at value: more than 1048576 bytes in a line");
    let mapping = mapping(text);
    let open = format!("a,1,x\nb,2,\"{long}{long}");
    let mut rows = mapping.sections[0].read(open.as_bytes()).expect("no I/O").expect("no header");
    let interest = everything(&catalogue());
    assert!(rows.next(&interest).is_ok_and(|row| row.is_some()));
    assert!(rows.next(&interest).is_err_and(|e| e.to_string().contains("is a quote left open?")));
}

#[test]
fn a_topics_record_is_mapped_alone_with_its_offset_as_number() {
    let (mapping, catalogue) = (mapping(POSTS), catalogue());
    let section = &mapping.sections[0];
    assert!(section.reads_single_records());
    let value =
        br#"{"kind":"begin","id":"a","part":1,"customer":{"id":7},"at":"2026-11-24T12:00:00Z","run":"x"}"#;
    let record = section.map(value, 41, &everything(&catalogue));
    assert_eq!(show(&record, &catalogue), ["41.0 lab.begun 2026-11-24T12:00:00Z 7 a/1 run=x"]);
    assert_eq!(record.record.events[0].source, "crm");
    assert_eq!(record.record.times.len(), 1);
    assert!(!self::mapping(CALLS).sections[0].reads_single_records());
}

#[test]
fn an_event_that_no_rule_names_gives_its_time_only() {
    let (mapping, catalogue) = (mapping(POSTS), catalogue());
    let begun = catalogue.id("lab.begun").expect("ours");
    let mut interest = everything(&catalogue);
    interest.types[usize::from(begun.0)] = None;
    let value =
        br#"{"kind":"begin","id":"a","part":1,"customer":{"id":7},"at":"1970-01-01T00:00:01Z","run":"x"}"#;
    let record = mapping.sections[0].map(value, 0, &interest).record;
    assert_eq!((record.events.len(), record.times.as_slice()), (0, [1000].as_slice()));
    // What is wrong with it is refused all the same.
    let value = br#"{"kind":"begin","id":"a","part":1,"customer":{"id":7},"at":"1970-01-01T00:00:01Z"}"#;
    let mapped = mapping.sections[0].map(value, 0, &interest);
    assert_eq!((mapped.record.times.len(), mapped.rejected.len()), (0, 1));
    let _: TypeId = begun;
}

#[test]
fn clocks_numbers_and_other_notations() {
    let text = r#"
mapping: lab
feeds:
  - feed: lab
    format: csv
    delimiter: ";"
    encoding: latin-1
    decimal: ","
    thousands: "."
    zone: "+02:00"
    customer: who
    id: { record: row }
    times:
      planned: { day: { columns: [y, m, d], format: "%Y %m %d" }, clock: { column: hhmm, format: hhmm } }
      early: { at: planned, minus: { minutes: lead } }
      booked: { column: serial, format: excel }
    events:
      - type: lab.measured
        time: planned
        data: { level: level, good: { table: { J: "true" }, of: good, other: "false" }, due: booked }
      - type: lab.begun
        time: early
        data: { run: { join: [who, hhmm], with: "" } }
"#;
    let input = b"who;y;m;d;hhmm;level;good;serial;lead\n\
        M\xfcller;2013;1;31;517;1.234,5;J;43831,4375;30\n\
        \"a\";2013;12;31;2400;-0,5;N;43831;0\n\
        b;2013;1;1;2401;1;N;43831;0\n\
        b;2013;1;1;1;1.5;N;43831;0\n";
    let (mapping, catalogue) = (mapping(text), catalogue());
    let mut rows = mapping.sections[0].read(&input[..]).expect("no I/O").expect("all columns");
    let mut shown = Vec::new();
    while let Some(record) = rows.next(&everything(&catalogue)).expect("no I/O") {
        shown.extend(show(&record, &catalogue));
    }
    assert_eq!(
        shown,
        [
            "1.0 lab.measured 2013-01-31T03:17:00Z Müller 1 level=1234.5 good=true due=2020-01-01T08:30:00Z",
            "1.1 lab.begun 2013-01-31T02:47:00Z Müller 1 run=Müller517",
            "2.0 lab.measured 2013-12-31T22:00:00Z a 2 level=-0.5 good=false due=2019-12-31T22:00:00Z",
            "2.1 lab.begun 2013-12-31T22:00:00Z a 2 run=a2400",
            "3.0 bad_time at column \"hhmm\": expected hours and minutes as a number up to 2400",
            "3.1 bad_time at column \"hhmm\": expected hours and minutes as a number up to 2400",
            "4.0 lab.measured 2012-12-31T22:01:00Z b 4 level=15 good=false due=2019-12-31T22:00:00Z",
            "4.1 lab.begun 2012-12-31T22:01:00Z b 4 run=b1",
        ]
    );
}

#[test]
fn conditions() {
    let section = |when: &str| {
        format!(
            "mapping: m\nfeeds:\n  - feed: lab\n    format: csv\n    when: {when}\n    customer: a\n    id: {{ record: row }}\n    \
             events: [{{ type: lab.measured, time: {{ of: {{ const: 2020-01-01T00:00:00Z }} }} }}]\n"
        )
    };
    for (when, passed) in [
        ("{ a: x }", vec!["1"]),
        ("{ a: [x, y] }", vec!["1", "2"]),
        ("{ a: { is_not: x } }", vec!["2", "3"]),
        ("{ b: { exists: true } }", vec!["1", "2"]),
        ("{ b: { exists: false } }", vec!["3"]),
        ("{ b: { over: 1 } }", vec!["2"]),
        ("{ b: { at_least: 1, under: 2 } }", vec!["1"]),
        ("{ b: { is_not: 7 } }", vec!["1", "2"]),
        ("{ not: { a: x } }", vec!["2", "3"]),
        ("{ any: [{ a: x }, { b: { at_most: 0 } }, { a: { starts_with: z } }] }", vec!["1", "3"]),
        ("{ all: [{ a: { contains: \"\" } }], b: 1 }", vec!["1"]),
        ("{ a: { lacks: y } }", vec!["1", "3"]),
    ] {
        let shown = mapped(&section(when), "a,b\nx,1\ny,2\nzz,\n");
        let rows: Vec<_> = shown.iter().filter(|l| !l.ends_with("skipped")).map(|l| &l[..1]).collect();
        assert_eq!(rows, passed, "{when}");
    }
}

#[test]
fn all_problems_at_once_each_with_its_place_and_a_way_out() {
    let text = r#"
mapping: calls
feeds:
  - feed: contact-centre
    format: csv
    customer: who
    id: { row: true }
    events: []
  - feed: contact-center
    format: json
    delimiter: ";"
    custommer: /who
    id: who
    times:
      queued: { column: /start, format: "%H:%M" }
      left: { column: /left, format: "%d/%m/%Y", zone: Berlin }
    events:
      - type: contact.qeued
        time: { column: /start }
      - type: order.placed
        time: { column: /start }
      - type: contact.queued
        time: quued
        data: { contact_id: /id, priority: { const: high }, chanel: /channel }
"#;
    assert_eq!(
        problems(text),
        "m.yaml:4:11: error: no event type belongs to a feed `contact-centre`; expected a feed of the catalogue or of the rulebook's `types`; write `contact-center`?\n\
         m.yaml:7:9: error: this map says no value; expected a column, or one of `column`, `first`, `join`, `table`, `const`, `record`\n\
         m.yaml:8:13: error: no event is made; expected at least one entry with `type` and `time`\n\
         m.yaml:11:5: error: `delimiter` goes with `csv` and `tsv` only\n\
         m.yaml:12:5: error: an entry of `feeds` has no key `custommer`; expected one of `columns`, `customer`, `decimal`, `delimiter`, `encoding`, `escape`, `events`, `feed`, `files`, `format`, `header`, `id`, `missing`, `one_line`, `quote`, `source`, `thousands`, `times`, `when`, `zone`; write `customer`?\n\
         m.yaml:13:9: error: `who` is no JSON pointer; expected a pointer such as `/order/id`; write `/who`?\n\
         m.yaml:15:41: error: `%H:%M`: says nothing of the year\n\
         m.yaml:16:56: error: there is no time zone `Berlin`; expected a name such as `Europe/Berlin`, `UTC`, or an offset such as `+02:00`\n\
         m.yaml:18:9: error: `contact.queued` requires the field `channel`; expected `channel: ...` in `data`\n\
         m.yaml:18:9: error: `contact.queued` requires the field `contact_id`; expected `contact_id: ...` in `data`\n\
         m.yaml:18:15: error: there is no event type `contact.qeued`; expected a type of the catalogue or of the rulebook's `types`; write `contact.queued`?\n\
         m.yaml:20:9: error: `order.placed` requires the field `order_id`; expected `order_id: ...` in `data`\n\
         m.yaml:20:15: error: `order.placed` belongs to the feed `transaction`, not to `contact-center`; expected another entry of `feeds`, with `feed: transaction`, for it\n\
         m.yaml:22:9: error: `contact.queued` requires the field `channel`; expected `channel: ...` in `data`\n\
         m.yaml:23:15: error: there is no time `quued`; expected the name of an entry of `times` above, or `{ column: ... }`; write `queued`?\n\
         m.yaml:24:44: error: `high` is not possible for `priority`; expected a whole number\n\
         m.yaml:24:61: error: `contact.queued` has no field `chanel`; expected one of `contact_id`, `channel`, `queue`, `reason`, `priority`, `conversation_id`; write `channel`?\n"
    );
}

#[test]
fn files_are_chosen_by_their_names() {
    let two = format!(
        "{CALLS}{}",
        CALLS
            .split_once("feeds:\n")
            .expect("feeds")
            .1
            .replace("format: csv", "format: csv\n    files: [\"calls-*.csv*\", old.tsv]")
    );
    let mapping = mapping(&two);
    let count = |name: &str| mapping.sections_for(name).count();
    assert_eq!((count("calls-1.csv.gz"), count("old.tsv"), count("else.csv")), (2, 2, 1));
    assert_eq!(mapping.sections_of("contact-center").count(), 2);
}
