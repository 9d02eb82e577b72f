//! Questions about customers, on their way to the stream threads.
//!
//! A customer's state belongs to one thread, which shares nothing. So a question goes to every thread of the process, by a
//! bounded channel; a thread looks at its own between two turns and says what it knows. Whoever asks does not have to know
//! which thread has the customer, nor how producers hash keys.

use super::owners::Owners;
use compact_str::CompactString;
use crossbeam_channel::{Receiver, Sender, bounded};
use cxwatch_decision::explanation::Explanation;
use cxwatch_event::Millis;
use cxwatch_rulebook::RuleIx;
use cxwatch_runtime::desk::Publisher;
use cxwatch_runtime::live::{Live, Untold};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// So many questions wait for a thread at most.
const WAITING_MAX: usize = 64;
/// So many are answered between two turns.
const ANSWERED_MAX: usize = 8;
/// A thread between two turns answers within milliseconds; one that restores a task, or waits for the brokers, does not.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Of whom.
    pub(crate) customer: CompactString,
    /// Of this rule only.
    pub(crate) rule: Option<RuleIx>,
    /// As of this instant; `None`: now.
    pub(crate) at: Option<Millis>,
}

/// A question to one thread.
struct Inquiry {
    asked: Arc<Asked>,
    /// Nobody waits for the answer any longer.
    until: Instant,
    reply: mpsc::Sender<Reply>,
}

/// What one thread says.
struct Reply {
    /// The tasks that it runs.
    tasks: Vec<i32>,
    told: Result<Explanation, Untold>,
}

/// What all threads say.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The customer is known.
    Known(Box<Explanation>),
    /// The customer is known, but time has come no further than this.
    NotYet(Millis),
    /// Nobody knows the customer.
    Unknown {
        /// The tasks of this process that run.
        tasks: BTreeSet<i32>,
        /// Threads that have not answered in time.
        silent: usize,
    },
    /// Too many questions wait already.
    Full,
}

/// The way to the threads. Clones lead to the same ones.
#[derive(Clone)]
pub(crate) struct Inquiries {
    threads: Arc<Vec<(Sender<Inquiry>, Receiver<Inquiry>)>>,
    owners: Arc<OnceLock<Arc<Owners>>>,
}

impl Inquiries {
    /// To so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        let threads = (0..threads).map(|_| bounded(WAITING_MAX)).collect();
        Inquiries { threads: Arc::new(threads), owners: Arc::default() }
    }

    /// The threads are about to begin, and this is how to find customers that others have.
    pub(crate) fn begin(&self, owners: Owners) {
        let _ = self.owners.set(Arc::new(owners));
    }

    /// Who has which customers; `None` until the checks of the start are done.
    pub(crate) fn owners(&self) -> Option<Arc<Owners>> {
        self.owners.get().map(Arc::clone)
    }

    /// What comes to a thread. It stays when the thread begins anew.
    pub(crate) fn inbox(&self, thread: usize) -> Inbox {
        Inbox(self.threads[thread].1.clone())
    }

    /// Asks all threads; the first that knows the customer answers.
    pub(crate) async fn ask(&self, asked: Asked) -> Heard {
        let until = Instant::now() + ANSWER_WITHIN;
        let asked = Arc::new(asked);
        let (reply, mut replies) = mpsc::channel(self.threads.len().max(1));
        for (thread, _) in self.threads.iter() {
            let inquiry = Inquiry { asked: Arc::clone(&asked), until, reply: reply.clone() };
            if thread.try_send(inquiry).is_err() {
                return Heard::Full;
            }
        }
        drop(reply);
        let (mut tasks, mut silent) = (BTreeSet::new(), self.threads.len());
        // A thread that passes the question over lets go of its end.
        while let Ok(Some(reply)) = tokio::time::timeout_at(until.into(), replies.recv()).await {
            silent -= 1;
            tasks.extend(reply.tasks);
            match reply.told {
                Ok(explanation) => return Heard::Known(Box::new(explanation)),
                Err(Untold::NotYet(now)) => return Heard::NotYet(now),
                Err(Untold::Unknown) => {}
            }
        }
        Heard::Unknown { tasks, silent }
    }
}

/// What comes to one thread.
pub(crate) struct Inbox(Receiver<Inquiry>);

impl Inbox {
    /// Answers what waits. To be called between two turns.
    pub(crate) fn answer<D: Publisher>(&self, tasks: &BTreeMap<i32, Live<D>>) {
        for inquiry in self.0.try_iter().take(ANSWERED_MAX) {
            if Instant::now() >= inquiry.until || inquiry.reply.is_closed() {
                continue;
            }
            let Asked { customer, rule, at } = &*inquiry.asked;
            let told = tasks.values().map(|task| task.explain(customer, *rule, *at));
            let told = told.reduce(|one, other| if one == Err(Untold::Unknown) { other } else { one });
            let told = told.unwrap_or(Err(Untold::Unknown));
            // It has room for every thread; whoever asked may have gone.
            let _ = inquiry.reply.try_send(Reply { tasks: tasks.keys().copied().collect(), told });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cxwatch_decision::Decider;

    fn asked() -> Asked {
        Asked { customer: "c1".into(), rule: None, at: None }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
    }

    #[test]
    fn who_has_no_task_says_so_and_the_asker_waits_for_all() {
        let inquiries = Inquiries::new(2);
        let inboxes = [inquiries.inbox(0), inquiries.inbox(1)];
        runtime().block_on(async {
            let waits = tokio::spawn(async move { inquiries.ask(asked()).await });
            tokio::task::yield_now().await;
            inboxes[0].answer::<Decider>(&BTreeMap::new());
            tokio::task::yield_now().await;
            assert!(!waits.is_finished(), "the other thread may know the customer");
            inboxes[1].answer::<Decider>(&BTreeMap::new());
            let heard = waits.await.expect("it does not panic");
            assert!(
                matches!(heard, Heard::Unknown { ref tasks, silent: 0 } if tasks.is_empty()),
                "{heard:?}"
            );
        });
    }

    #[test]
    fn a_bounded_number_of_questions_waits_and_those_that_nobody_waits_for_are_passed_over() {
        let inquiries = Inquiries::new(1);
        let inbox = inquiries.inbox(0);
        runtime().block_on(async {
            let waiting: Vec<_> = (0..WAITING_MAX)
                .map(|_| {
                    let inquiries = inquiries.clone();
                    tokio::spawn(async move { inquiries.ask(asked()).await })
                })
                .collect();
            while inbox.0.len() < WAITING_MAX {
                tokio::task::yield_now().await;
            }
            assert!(matches!(inquiries.ask(asked()).await, Heard::Full));
            // The askers go; what they left in the channel is cleared a few at a time.
            for asker in waiting {
                asker.abort();
                let _ = asker.await;
            }
            inbox.answer::<Decider>(&BTreeMap::new());
            assert_eq!(inbox.0.len(), WAITING_MAX - ANSWERED_MAX);
        });
    }
}
