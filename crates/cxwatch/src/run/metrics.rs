//! The process's own metrics, next to those of its stream threads ([`cxwatch_runtime::metrics`]).

use anyhow::Result;
use cxwatch_runtime::metrics::Metrics as ThreadMetrics;
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry};
use std::sync::Arc;

/// All metrics of the process. Clones count into the same.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// Where they are registered.
    pub(crate) registry: Registry,
    /// Those of the stream threads.
    pub(crate) threads: Arc<ThreadMetrics>,
    /// Stream threads begun anew after a fault.
    pub(crate) thread_restarts: IntCounter,
    /// 1 if feeds were written with different key hashes.
    pub(crate) key_hashes_differ: IntGauge,
    /// By `rulebook`, `version` and `hash`: 1 for the rulebook in force.
    pub(crate) rulebook: IntGaugeVec,
    /// Different rulebooks among the members of the group: above 1 a rollout is under way, or was forgotten.
    pub(crate) rulebooks_in_group: IntGauge,
    /// By `rule`, and `*` for all: 1 where an operator has stopped its requests.
    pub(crate) paused: IntGaugeVec,
}

impl Metrics {
    /// All of them, at zero.
    pub(crate) fn new() -> Result<Self> {
        let registry = Registry::new();
        let metrics = Metrics {
            threads: Arc::new(ThreadMetrics::new(&registry)?),
            thread_restarts: IntCounter::new(
                "cxwatch_thread_restarts_total",
                "Stream threads begun anew after a fault",
            )?,
            key_hashes_differ: IntGauge::new(
                "cxwatch_key_hashes_differ",
                "1 if feeds were written with different key hashes",
            )?,
            rulebook: IntGaugeVec::new(
                Opts::new("cxwatch_rulebook_info", "1 for the rulebook in force"),
                &["rulebook", "version", "hash"],
            )?,
            rulebooks_in_group: IntGauge::new(
                "cxwatch_rulebooks_in_group",
                "Different rulebooks among the members of the group",
            )?,
            paused: IntGaugeVec::new(
                Opts::new(
                    "cxwatch_rule_paused",
                    "1 where an operator has stopped the requests of a rule or of all",
                ),
                &["rule"],
            )?,
            registry,
        };
        metrics.registry.register(Box::new(metrics.paused.clone()))?;
        metrics.registry.register(Box::new(metrics.thread_restarts.clone()))?;
        metrics.registry.register(Box::new(metrics.key_hashes_differ.clone()))?;
        metrics.registry.register(Box::new(metrics.rulebook.clone()))?;
        metrics.registry.register(Box::new(metrics.rulebooks_in_group.clone()))?;
        Ok(metrics)
    }

    /// With memory, CPU and open files of the process.
    pub(crate) fn with_process(self) -> Result<Self> {
        #[cfg(target_os = "linux")]
        self.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(self)
    }

    /// Names the rulebook in force.
    pub(crate) fn show_rulebook(&self, book: &cxwatch_rulebook::Rulebook) {
        let hash: String = book.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        self.rulebook.with_label_values(&[book.name.as_str(), &book.version.to_string(), &hash]).set(1);
    }
}
