//! Rulebooks, detections and scenes for tests.

use crate::life::Stage;
use crate::stages::{Answer, Asked};
use crate::state::{Desktop, Episode, Live};
use crate::{ActionId, Brake, Paused};
use cxwatch_engine::{Clock, Detection, EventRef, Measures, Moment};
use cxwatch_event::{
    Catalogue, Field, FieldType, FieldValue, Interest, MICRO, Millis, Privacy, Profile, TypeId, TypeSpec,
    Value, rfc3339,
};
use cxwatch_rulebook::{
    Action, Class, Cond, FeedSet, Kind, Level, Policy, Rule, RuleIx, Rulebook, Severity, Treatment,
};
use std::sync::Arc;

pub(crate) const PROFILE_FIELDS: [&str; 4] =
    ["time_zone", "consent.voice.service", "consent.voice.marketing", "consent.email.service"];

pub(crate) fn rule(id: &str, actions: &[u16]) -> Rule {
    Rule {
        id: id.into(),
        rank: 0,
        kind: Kind::Match,
        per: true,
        needs: FeedSet(1),
        concludes_from_absence: false,
        calendar: None,
        reach_ms: 0,
        guards: vec![],
        measures: vec![],
        when: Cond::True,
        severity: Severity { cases: vec![] },
        summary: vec![],
        actions: actions.to_vec(),
        cooldown_ms: None,
        treatment: Treatment::default(),
        fingerprint: 1,
    }
}

pub(crate) fn action(id: &str, class: Class) -> Action {
    Action {
        id: id.into(),
        class,
        by: "person".into(),
        purpose: "service".into(),
        channel: "voice".into(),
        queue: "first".into(),
        skills: vec![],
        hours: None,
        ttl_ms: 1_000,
        accept_within_ms: None,
        when: Cond::True,
        value: vec![],
        context: vec![],
        propensity: MICRO,
        lever: MICRO,
        exempt: false,
    }
}

/// Feed `a`; type 0 the profile, type 1 `a.done`, which no rule names.
pub(crate) fn book(actions: Vec<Action>, rules: Vec<Rule>) -> Rulebook {
    let field = |name: &str, kind| Field {
        name: name.into(),
        kind,
        required: false,
        privacy: Privacy::None,
        one_of: vec![],
        about: "".into(),
    };
    let kinds = [FieldType::Text, FieldType::Bool, FieldType::Bool, FieldType::Bool];
    let spec = |name: &str, fields| TypeSpec { name: name.into(), feed: None, fields, about: "".into() };
    let profile = PROFILE_FIELDS.iter().zip(kinds).map(|(name, kind)| field(name, kind)).collect();
    let done = vec![field("action_id", FieldType::Text), field("channel", FieldType::Text)];
    let by_detection = rules.iter().map(|_| [vec![], vec![]]).collect();
    Rulebook {
        name: "test".into(),
        version: 1,
        hash: [0; 16],
        catalogue: Arc::new(Catalogue::of([spec("profile", profile), spec("a.done", done)])),
        feeds: vec!["a".into()],
        feed_of_type: vec![],
        calendars: vec![],
        rules,
        actions,
        policy: Policy::default(),
        profile: Some(TypeId(0)),
        desk_uses: vec![],
        interest: Interest::default(),
        references: Vec::new(),
        by_type: vec![vec![]; 2],
        by_detection,
    }
}

pub(crate) fn about(id: &str) -> EventRef {
    EventRef {
        feed: 0,
        kind: Some(0),
        sub: 0,
        offset: 7,
        time: 1,
        id: id.into(),
        source: "/s".into(),
        names: None,
    }
}

/// A breach of the rule with that number, for `c1` and the key `k`.
pub(crate) fn detection(about_id: &str, rule: u16, time: Millis) -> Detection {
    Detection {
        id: 1,
        rule: RuleIx(rule),
        level: Level::Breach,
        customer: "c1".into(),
        key: "k".into(),
        time,
        about: about(about_id),
        deadline: time,
        evidence: vec![],
        events: 1,
        measures: Measures::new(),
        severity: 50,
        resolved: false,
        clock: Clock { instant: time, watermark: time, feeds: [(time, false)].into_iter().collect() },
    }
}

pub(crate) fn live(id: ActionId, action: &Action, episode: u32) -> Live {
    Live {
        id,
        episode,
        rule: "r".into(),
        key: "k".into(),
        about: about("e1"),
        action: action.id.clone(),
        class: action.class,
        channel: action.channel.clone(),
        by: action.by.clone(),
        level: Level::Breach,
        stage: Stage::Requested,
        revision: 0,
        priority: MICRO,
        severity: 50,
        sentence: "".into(),
        expires: 1_000,
        accept_by: None,
        urgent: false,
        spent: false,
        forget_at: 2_000,
    }
}

/// One candidate `a` of rule `r`, detected at 100 ms and looked at then.
pub(crate) struct Scene {
    pub(crate) book: Rulebook,
    pub(crate) action: Action,
    pub(crate) detection: Detection,
    pub(crate) desktop: Desktop,
    pub(crate) episode: Episode,
    pub(crate) brake: Brake,
    pub(crate) paused: Paused,
    pub(crate) profile: Profile,
    pub(crate) instant: Millis,
}

impl Scene {
    pub(crate) fn new(class: Class) -> Self {
        let episode = Episode {
            number: 0,
            rule: "r".into(),
            key: "k".into(),
            root: about("e1"),
            about: about("e1"),
            warning: None,
            breach: Some(100),
            resolved: false,
            treated: None,
            held_out: None,
            is_held_out: false,
            forget_at: 0,
        };
        Scene {
            book: book(vec![], vec![rule("r", &[])]),
            action: action("a", class),
            detection: detection("e1", 0, 100),
            desktop: Desktop::default(),
            episode,
            brake: Brake::default(),
            paused: Paused::default(),
            profile: Profile { as_of: Some(0), fields: vec![] },
            instant: 100,
        }
    }

    pub(crate) fn id(&self) -> ActionId {
        ActionId::new("test", "r", "c1", &about("e1"), &self.action)
    }

    /// Sets a field of the profile.
    pub(crate) fn know(&mut self, name: &str, value: Value) {
        know(&mut self.profile, &self.book, name, value);
    }

    pub(crate) fn ask(&self, stage: impl FnOnce(&Asked<'_>) -> Answer) -> Answer {
        let moment =
            Moment { book: &self.book, customer: "c1", profile: &self.profile, instant: self.instant };
        stage(&Asked {
            moment: &moment,
            rule: &self.book.rules[0],
            detection: &self.detection,
            action: &self.action,
            id: self.id(),
            desktop: &self.desktop,
            episode: &self.episode,
        })
    }

    /// An answer in words.
    pub(crate) fn name(&self, answer: Answer) -> String {
        match answer {
            Answer::Pass => "pass".into(),
            Answer::Update => "update".into(),
            Answer::Against(against) => match against.until {
                Some(until) if against.reason != cxwatch_event::messages::SuppressionReason::WarmingUp => {
                    format!("{} until {until}", against.reason.name())
                }
                _ => against.reason.name().into(),
            },
            Answer::Defer { reason, until } => format!("wait {} {}", reason.name(), rfc3339::format(until)),
        }
    }
}

pub(crate) fn know(profile: &mut Profile, book: &Rulebook, name: &str, value: Value) {
    let field = book.catalogue.spec(TypeId(0)).field(name).expect("a field of the profile");
    profile.fields.retain(|f| f.field != field);
    profile.fields.push(FieldValue { field, value });
}
