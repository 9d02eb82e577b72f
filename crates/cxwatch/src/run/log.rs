//! Log lines: for people or for machines, on standard error, without a customer in them.

use crate::settings::LogSettings;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Begins to log. A second call changes nothing.
pub(crate) fn start(settings: &LogSettings) {
    // The client library speaks under its own names; its chatter is for `debug`.
    let filter = EnvFilter::try_new(&settings.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = match "librdkafka=warn".parse() {
        Ok(directive) if !settings.level.contains("librdkafka") => filter.add_directive(directive),
        _ => filter,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if settings.json {
        lines.json().flatten_event(true).try_init()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
    };
}
