//! Programs that tests end by signals.

use std::process::{Child, Command};

/// The same command, with signals that do what they do in a terminal: tests may run below `nohup`, which keeps HUP from all
/// that it starts.
pub fn hearing_all(asked: &Command) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(asked.get_program()).args(asked.get_args());
    for (name, value) in asked.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Sends a signal of that name, such as TERM.
///
/// # Panics
/// When it cannot be sent.
pub fn send(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(sent.is_ok_and(|status| status.success()), "{name}");
}
