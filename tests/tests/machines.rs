//! The end-to-end cases: the installed package on booted Debian machines, on both releases.
//!
//! Each case is a function that is given a machine of its own. `make test` runs them all; one
//! alone is run so (the package must be there: `make deb`):
//!
//! ```text
//! cargo test -p session-timeout-tests --test machines -- --include-ignored trixie::root_and
//! ```

mod cases;

use session_timeout_tests::{Machine, Outcome, Suite};

/// What a case starts from.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// Debian without our package.
    Bare,
    /// Debian with it.
    Installed,
}

fn run(suite: Suite, start: Start, case: fn(&Machine) -> Outcome) -> Outcome {
    let machine = match start {
        Start::Bare => Machine::bare(suite)?,
        Start::Installed => Machine::with_package(suite)?,
    };
    let outcome = case(&machine);
    if outcome.is_err() {
        eprintln!("{}", machine.report());
    }
    outcome
}

macro_rules! on_both_suites {
    ($($start:ident $module:ident::$case:ident,)*) => {
        mod bookworm {
            $(#[test]
            #[ignore = "boots a machine: make test"]
            fn $case() -> super::Outcome {
                super::run(super::Suite::Bookworm, super::Start::$start, super::cases::$module::$case)
            })*
        }
        mod trixie {
            $(#[test]
            #[ignore = "boots a machine: make test"]
            fn $case() -> super::Outcome {
                super::run(super::Suite::Trixie, super::Start::$start, super::cases::$module::$case)
            })*
        }
    };
}

on_both_suites! {
    Installed absolute::a_process_that_ignores_the_end_is_killed_after_the_grace,
    Installed absolute::a_session_is_warned_at_each_lead_and_then_ended_by_the_absolute_limit,
    Installed absolute::root_and_system_accounts_are_exempt,
    Installed faults::a_full_backlog_delays_no_login,
    Installed faults::a_healthy_daemon_delays_no_login,
    Installed faults::login_works_with_the_daemon_hung,
    Installed faults::login_works_with_the_daemon_stopped,
    Installed inactivity::a_console_login_is_announced_warned_and_ended,
    Installed inactivity::a_session_that_is_typed_in_lives_on_while_its_idle_twin_is_ended,
    Installed inactivity::a_session_without_a_terminal_falls_to_the_absolute_limit_alone,
    Installed inactivity::idle_time_is_found_where_logind_sees_none,
    Installed inactivity::typing_during_the_warning_withdraws_it,
    Installed intake::garbage_on_the_login_socket_is_counted_and_harms_nothing,
    Installed intake::only_root_can_connect_to_the_login_socket,
    Installed leftovers::a_session_whose_leader_was_killed_is_ended_all_the_same,
    Installed leftovers::what_runs_on_after_a_logout_is_left_alone,
    Bare package::installing_ends_no_session_and_enforces_the_shipped_limit,
    Bare package::removing_leaves_logins_working_and_purging_leaves_nothing,
    Installed package::upgrading_keeps_the_deadline_of_a_live_session,
    Installed policy::a_broken_policy_at_start_leaves_the_last_good_one_in_force,
    Installed policy::a_reload_that_shortens_the_limit_still_gives_the_shortest_warning,
    Installed policy::a_reload_with_a_broken_policy_fails_and_changes_nothing,
    Installed policy::without_any_good_policy_nothing_is_enforced_and_nobody_locked_out,
    Installed restart::a_login_made_while_the_daemon_was_down_is_found_and_ended_on_time,
    Installed restart::a_restart_of_logind_moves_no_deadline,
    Installed restart::a_restart_of_the_bus_moves_no_deadline,
    Installed restart::a_restarted_daemon_keeps_deadlines_and_repeats_no_warning,
    Installed restart::killing_the_daemon_moves_no_deadline_and_repeats_no_warning,
    Installed status::everybody_sees_their_own_sessions_and_root_sees_all,
    Installed status::the_unit_is_as_little_exposed_as_promised,
}
