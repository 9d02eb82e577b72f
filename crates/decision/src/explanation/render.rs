//! An explanation as text.

use super::{Basis, EventView, Explanation};
use std::fmt;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = super::words::at(self.at.0);
        writeln!(
            f,
            "Customer {}, as of {at}, rulebook {} version {}.",
            self.customer, self.rulebook, self.version
        )?;
        match self.basis {
            Basis::Events => {}
            Basis::State => {
                writeln!(
                    f,
                    "Told from what is remembered; `cxwatch explain` on the topics tells all of it."
                )?;
            }
            Basis::Remembered => writeln!(
                f,
                "Told from what is still remembered of an instant that has passed; `cxwatch explain --at` on the topics tells \
                 all of it."
            )?,
        }
        for rule in &self.rules {
            writeln!(f, "\nRule {}", rule.rule)?;
            for because in &rule.because {
                writeln!(f, "  {}.", capital(&because.sentence))?;
                if let Some(otherwise) = &because.otherwise {
                    writeln!(f, "    For another result: {otherwise}.")?;
                }
            }
            if !rule.steps.is_empty() {
                writeln!(f, "  What happened:")?;
            }
            for step in &rule.steps {
                writeln!(f, "    {}  {}", super::words::at(step.at.0), step.sentence)?;
            }
        }
        if !self.again.is_empty() {
            writeln!(f, "\nWhy more than once")?;
            self.again.iter().try_for_each(|sentence| writeln!(f, "  {}.", capital(sentence)))?;
        }
        if !self.seen.is_empty() {
            writeln!(f, "\nSeen")?;
        }
        for event in &self.seen {
            write!(f, "  {}  {}", super::words::at(event.time.0), event.kind)?;
            match (&event.id, &event.place) {
                (Some(id), Some(place)) => writeln!(f, " {id} ({place})")?,
                _ => writeln!(f)?,
            }
        }
        if !self.passed_over.is_empty() {
            writeln!(f, "\nPassed over")?;
        }
        for passed in &self.passed_over {
            let EventView { time, kind, id, place } = &passed.event;
            let id = id.as_ref().map_or_else(String::new, |id| format!(" {id}"));
            let place = place.as_ref().map_or_else(String::new, |place| format!(" ({place})"));
            writeln!(f, "  {}  {kind}{id}{place}: {}", super::words::at(time.0), passed.sentence)?;
        }
        for action in &self.actions {
            let key = if action.key.is_empty() { String::new() } else { format!(" for {}", action.key) };
            writeln!(
                f,
                "\nAction {} {}{key} of {}: {}, revision {}, until {}",
                action.action_id,
                action.action,
                action.rule,
                action.stage,
                action.revision,
                super::words::at(action.expires.0)
            )?;
        }
        for cooldown in &self.cooldowns {
            let key = if cooldown.key.is_empty() { String::new() } else { format!(" for {}", cooldown.key) };
            writeln!(
                f,
                "\nCool-down of {}{key} until {}",
                cooldown.rule,
                super::words::at(cooldown.until.0)
            )?;
        }
        if !self.contacts.is_empty() {
            writeln!(f, "\nContacts that caps count")?;
        }
        for contact in &self.contacts {
            let time = super::words::at(contact.time.0);
            writeln!(f, "  {time}  {} by a {}", contact.channel, contact.by)?;
        }
        for feed in self.feeds.iter().filter(|feed| feed.blind) {
            writeln!(f, "\nFeed {} is blind.", feed.feed)?;
        }
        Ok(())
    }
}

/// With a capital letter, unless it begins with a name.
fn capital(sentence: &str) -> String {
    let first = sentence.split(' ').next().unwrap_or_default();
    if !first.chars().all(|c| c.is_ascii_lowercase()) {
        return sentence.to_owned();
    }
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
