//! The end-to-end cases: the installed package on booted Debian machines, on both releases.
//!
//! Each case is a function that gets its own machine. `make test` runs all of them. A single one
//! needs the package (`make deb`):
//!
//! ```text
//! cargo test -p session-timeout-tests --test machines -- --include-ignored trixie::root_and
//! ```

mod cases;

use session_timeout_tests::{Environment, Kind, Load, Machine, Outcome, Place, Suite};

/// The initial state of a machine, and the load of the case on the host.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// Debian without the package.
    Bare,
    /// Debian with the package.
    Installed,
    /// As `Installed`, with the host's virtual terminals.
    OnTerminals,
    /// As `Installed`, with many sessions or processes.
    Busy,
}

impl Start {
    const fn load(self) -> Load {
        match self {
            Self::Bare | Self::Installed => Load::Light,
            Self::OnTerminals => Load::VirtualTerminals,
            Self::Busy => Load::Busy,
        }
    }
}

fn run(name: &'static str, suite: Suite, start: Start, case: fn(&Machine) -> Outcome) -> Outcome {
    let place = Place::take(name, start.load());
    let machine = match start {
        Start::Bare => Machine::bare(suite)?,
        Start::Installed | Start::OnTerminals | Start::Busy => Machine::with_package(suite)?,
    };
    finished(&place, &machine, case(&machine))
}

fn run_on(
    name: &'static str,
    suite: Suite,
    environment: Environment,
    case: fn(&Machine, Environment) -> Outcome,
) -> Outcome {
    let place = Place::take(name, environment.load());
    let machine = Machine::with_package_of(suite, environment.kind())?;
    finished(&place, &machine, case(&machine, environment))
}

fn run_at_login_screen(name: &'static str, suite: Suite, case: fn(&Machine) -> Outcome) -> Outcome {
    let place = Place::take(name, Load::LoginManager);
    let machine = Machine::with_package_of(suite, Kind::LoginManagers)?;
    finished(&place, &machine, case(&machine))
}

fn finished(place: &Place, machine: &Machine, outcome: Outcome) -> Outcome {
    if outcome.is_err() {
        eprintln!("{}", machine.report());
    }
    outcome?;
    place.keep_times(machine)
}

/// The name of a case, as on the command line after the name of this file.
macro_rules! name {
    ($case:ident) => {
        concat!(module_path!(), "::", stringify!($case))
    };
}

macro_rules! on_both_suites {
    ($($start:ident $module:ident::$case:ident,)*) => {
        mod bookworm {
            $(#[test]
            #[ignore = "boots a machine: make test"]
            fn $case() -> super::Outcome {
                super::run(name!($case), super::Suite::Bookworm, super::Start::$start, super::cases::$module::$case)
            })*
        }
        mod trixie {
            $(#[test]
            #[ignore = "boots a machine: make test"]
            fn $case() -> super::Outcome {
                super::run(name!($case), super::Suite::Trixie, super::Start::$start, super::cases::$module::$case)
            })*
        }
    };
}

on_both_suites! {
    Installed absolute::a_process_that_ignores_the_end_is_killed_after_the_grace,
    Installed absolute::a_session_is_warned_at_each_lead_and_then_ended_by_the_absolute_limit,
    Installed absolute::root_and_system_accounts_are_exempt,
    Installed activity::an_inhibitor_keeps_a_session_until_it_is_released_and_puts_off_no_absolute_limit,
    Installed activity::output_keeps_a_session_alive_only_where_it_counts,
    Installed activity::the_action_report_ends_nothing_and_reports_once,
    Installed doctor::a_broken_policy_is_named_before_and_after_it_is_refused,
    Installed doctor::a_daemon_that_is_stopped_is_started_by_the_command_that_doctor_names,
    Installed doctor::a_desktop_that_does_not_lock_is_named_until_it_does,
    Installed doctor::a_limit_that_cannot_be_enforced_is_a_warning,
    Installed doctor::a_pam_line_that_keeps_the_module_from_being_called_is_named,
    Installed doctor::a_login_that_logind_has_no_session_for_is_named_with_the_reason,
    Installed doctor::a_logind_that_is_nearly_full_is_named_with_what_fills_it,
    Installed doctor::a_machine_as_installed_is_well,
    Installed doctor::a_warning_that_reached_nobody_is_named,
    Installed doctor::users_who_may_have_more_time_and_cannot_authenticate_for_it_are_named,
    Installed doctor::wrong_pam_lines_are_named_and_fixed,
    Installed doctor::earlier_timeouts_of_other_programs_are_named_until_they_are_removed,
    Installed resource_use::a_hundred_idle_sessions_cost_no_wake_up,
    Busy resource_use::all_the_sessions_that_logind_can_have_are_warned_and_ended,
    Busy resource_use::all_the_sessions_that_logind_can_have_fit_into_20_mib,
    Installed backstop::people_have_a_backstop_where_the_administrator_enables_it_and_nobody_else,
    Installed backstop::pid_1_ends_a_session_without_a_daemon,
    Installed backstop::the_administrators_time_is_kept_and_goes_with_the_package,
    Installed dropins::a_drop_in_hides_the_vendors_file_of_the_same_name,
    Installed dropins::a_drop_in_that_cannot_be_taken_fails_the_reload_and_changes_nothing,
    Busy ends::a_flood_of_logind_delays_no_end,
    Busy ends::a_flood_of_pid_1_delays_no_warning_and_no_end,
    Installed ends::a_login_that_pam_moved_elsewhere_is_warned_and_ended,
    Installed ends::an_end_comes_while_logind_and_the_bus_are_stopped,
    Installed ends::an_end_comes_while_logind_hangs,
    Installed ends::an_end_comes_while_logind_is_stopped,
    Installed ends::an_end_comes_while_the_bus_is_stopped,
    Installed ends::processes_outside_of_the_scope_end_with_their_login,
    Installed escapes::a_login_that_is_kept_out_of_every_scope_ends_at_its_limit,
    Installed escapes::a_login_that_left_its_session_and_killed_its_leader_ends_at_its_limit,
    Installed escapes::any_number_of_processes_that_left_a_session_end_with_it,
    Installed escapes::terminals_with_the_numbers_of_others_end_no_other_session,
    Installed escapes::detached_processes_survive_where_a_login_is_killed,
    Installed escapes::processes_detached_before_a_logout_are_no_login_in_any_scope,
    Installed explain::a_login_that_might_be_is_explained_to_everybody_without_the_daemon,
    Installed explain::a_session_is_explained_to_its_user_and_to_root_and_to_nobody_else,
    Installed explain::the_exit_status_of_check_says_whether_a_policy_is_valid,
    Installed extend::a_session_of_another_user_needs_an_administrator,
    Installed extend::a_session_that_is_gone_when_the_password_comes_is_not_another_one,
    Installed extend::a_user_has_more_time_for_the_password_and_no_more_than_the_rule_allows,
    Installed extend::calls_over_the_bus_grant_no_extension,
    Installed extend::root_puts_off_any_limit_as_often_as_the_policy_allows,
    Installed extend::a_client_that_leaves_the_password_prompt_is_not_waited_for,
    Installed extend::without_polkit_users_are_refused_and_root_is_not,
    Installed faults::a_full_backlog_delays_no_login,
    Installed faults::a_healthy_daemon_delays_no_login,
    Installed faults::login_works_with_the_daemon_hung,
    Installed faults::login_works_with_the_daemon_stopped,
    Installed type_changes::a_terminal_that_its_user_changes_puts_off_no_end,
    Installed type_changes::a_type_that_changes_all_the_time_runs_no_hook_twice_and_delays_nobody,
    Installed type_changes::a_type_that_its_user_changes_puts_off_no_end,
    OnTerminals greeter::a_screen_that_no_login_screen_comes_to_is_named_in_the_journal,
    OnTerminals greeter::a_screen_with_a_prompt_is_left_to_it,
    OnTerminals greeter::the_greeter_is_shown_where_a_session_on_a_seat_was_ended,
    OnTerminals greeter::the_greeter_is_shown_where_a_session_on_a_seat_was_hung_up,
    OnTerminals greeter::a_user_at_another_console_is_not_switched_away,
    OnTerminals greeter::a_user_who_switches_to_a_greeter_at_the_end_of_another_session_stays_there,
    OnTerminals greeter::a_user_whom_a_greeter_displaces_at_the_end_of_another_session_is_shown_again,
    Installed groups::unavailable_groups_delay_no_login_and_leave_the_default_in_force,
    Installed hang_up::a_console_is_hung_up_as_well,
    Installed hang_up::a_hang_up_closes_the_connection_and_leaves_what_was_detached,
    Installed hang_up::a_hang_up_under_way_survives_the_daemon,
    Installed hang_up::a_session_that_does_not_hang_up_is_terminated_and_then_killed,
    Installed hang_up::a_termination_ends_detached_processes,
    Busy hostile::a_flood_of_calls_and_forged_signals_delays_nobody,
    Installed hostile::an_agent_without_replies_delays_no_other_user,
    Busy hostile::a_user_with_very_many_processes_delays_nobody,
    Installed hostile::an_end_waits_for_no_program_that_writes_to_terminals,
    Busy hostile::terminals_that_block_every_process_that_opens_them_delay_nobody,
    Installed inactivity::a_console_login_is_announced_warned_and_ended,
    Installed inactivity::input_keeps_a_session_while_an_idle_one_is_ended,
    Installed inactivity::a_session_without_a_terminal_falls_to_the_absolute_limit_alone,
    Installed inactivity::idle_time_is_found_where_logind_sees_none,
    Installed inactivity::typing_during_the_warning_withdraws_it,
    Installed login_socket::a_forged_signal_ends_nothing,
    Installed login_socket::garbage_on_the_login_socket_is_counted_and_harms_nothing,
    Installed login_socket::only_root_can_connect_to_the_login_socket,
    Installed left::a_prompt_shows_what_is_left_of_its_own_session,
    Installed left::the_exit_status_of_left_gives_the_reason_for_no_output,
    Installed left::left_watch_costs_nothing_between_two_texts,
    Installed left::left_watch_shows_an_extension_a_restart_a_withdrawal_and_the_end,
    Installed leftovers::a_session_whose_leader_was_killed_is_ended,
    Installed leftovers::processes_that_survive_a_logout_are_not_ended,
    Installed lock::a_desktop_is_locked_at_its_limit_and_the_limit_restarts_at_the_unlock,
    Installed lock::a_restart_of_logind_unlocks_nothing,
    Installed lock::a_session_that_is_held_stays_so_through_a_restart_and_a_crash,
    Installed lock::an_unlock_that_the_daemon_did_not_see_renews_nothing,
    Installed lock::an_unlock_that_is_only_requested_ends_no_hold,
    Installed lock::coming_back_after_lock_after_is_activity,
    Installed lock::lock_after_locks_first_and_the_inactivity_limit_ends_later,
    Installed lock::a_desktop_that_does_not_lock_is_terminated_after_the_grace_and_a_terminal_at_once,
    Bare package::a_drop_in_from_before_makes_the_first_start_report_only,
    Bare package::installing_ends_no_session_and_enforces_the_shipped_limit,
    Bare package::removing_leaves_logins_working_and_purging_leaves_nothing,
    Installed package::upgrading_keeps_the_deadline_of_a_live_session,
    Installed policy::a_broken_policy_at_start_leaves_the_last_good_one_in_force,
    Installed policy::a_reload_that_shortens_the_limit_still_gives_the_shortest_warning,
    Installed policy::a_reload_with_a_broken_policy_fails_and_changes_nothing,
    Installed policy::without_any_good_policy_nothing_is_enforced_and_nobody_locked_out,
    Installed restart::without_inotify_the_daemon_warns_and_ends_as_usual,
    Installed restart::a_daemon_that_hangs_is_restarted_and_the_session_that_was_due_ends,
    Installed restart::a_daemon_stops_in_time_by_itself,
    Installed restart::a_key_withdraws_a_warning_from_before_the_restart_at_once,
    Installed restart::a_login_made_while_the_daemon_was_down_is_found_and_ended_on_time,
    Installed restart::a_restart_of_logind_moves_no_deadline,
    Installed restart::a_restart_of_the_bus_moves_no_deadline,
    Installed restart::a_restarted_daemon_keeps_deadlines_and_repeats_no_warning,
    Installed restart::a_session_that_is_over_and_that_logind_keeps_is_not_ended_again,
    Installed restart::a_warning_that_is_being_written_when_the_daemon_stops_is_in_the_journal,
    Installed restart::killing_the_daemon_moves_no_deadline_and_repeats_no_warning,
    OnTerminals returns::a_session_that_its_seat_shows_again_was_used,
    Installed returns::an_unlock_that_logind_signals_is_activity,
    Installed rules::a_reload_that_shortens_a_rule_still_gives_its_shortest_warning,
    Installed rules::a_rule_for_a_group_holds_for_its_members_and_ends_their_sessions,
    Installed rules::a_rule_for_a_service_distinguishes_the_console_from_ssh,
    Installed rules::a_rule_for_a_type_distinguishes_a_desktop_from_a_terminal,
    Installed rules::a_rule_for_an_address_holds_for_logins_from_that_address,
    Installed rules::root_is_limited_where_a_rule_names_it,
    Installed status::everybody_sees_their_own_sessions_and_root_sees_all,
    Installed status::the_daemon_can_signal_processes_and_has_no_other_capability,
    Installed status::the_exposure_of_the_units_is_as_promised,
    Installed terminal_messages::the_locale_of_the_machine_is_the_language_on_terminals,
    Installed terminal_messages::a_terminal_that_is_stopped_delays_no_warning_of_others,
    Installed terminal_messages::a_terminal_with_mesg_n_gets_no_warning_if_the_policy_respects_it,
    Installed terminal_messages::a_warning_without_a_receiver_is_reported_once_and_not_logged_as_given,
    Installed terminal_messages::a_warning_is_seen_in_an_editor_and_with_mesg_n,
    Installed terminal_messages::a_warning_rings_the_bell_by_policy_and_a_last_line_never,
    Installed terminal_messages::hooks_run_beside_the_daemon_and_delay_nothing,
    Installed terminal_messages::the_next_login_says_once_why_the_last_session_was_ended,
    Installed transfers::a_transfer_keeps_its_session_where_output_counts_and_an_idle_one_is_ended,
    Installed trust::a_hook_that_is_slow_runs_once_at_a_time_and_makes_no_end_late,
    Installed trust::a_hook_that_is_a_link_is_not_run_and_is_reported_once,
    Installed trust::a_policy_below_a_directory_of_another_user_is_refused_and_the_last_one_stays,
    Installed trust::a_main_file_that_vanishes_changes_nothing_until_it_is_empty_on_purpose,
    Installed trust::a_group_that_is_named_like_a_scope_is_not_taken_for_a_session,
    Installed trust::without_a_state_directory_the_daemon_warns_and_ends_as_usual,
    Installed trust::a_full_run_keeps_no_limit_from_a_daemon_that_starts,
    Installed trust::a_daemon_that_cannot_start_is_restarted_with_growing_pauses_and_doctor_says_why,
    Installed trust::a_false_start_in_the_state_file_ends_no_session,
    Installed terminals::a_connection_whose_terminals_are_closed_is_not_ended_for_lack_of_input,
    Installed terminals::a_key_through_dev_tty_or_a_new_terminal_withdraws_the_warning_at_the_next_probe,
    Installed terminals::a_login_in_somebody_elses_terminal_is_warned_there_and_a_key_keeps_it,
    Installed terminals::a_server_that_a_connection_left_behind_is_warned_and_a_key_there_keeps_it,
    Installed terminals::a_shell_that_moved_to_another_control_group_still_counts,
    Installed terminals::input_counts_through_whatever_reads_the_terminal,
    Installed terminals::mosh_outlives_the_session_that_it_came_with,
    Installed terminals::the_terminals_of_one_connection_are_one_session_that_any_of_them_keeps,
    Installed terminals::tmux_and_screen_keep_the_session_that_is_typed_into_and_no_other,
    Installed terminals::typing_keeps_a_console_while_an_idle_one_is_ended,
    Installed terminals::what_a_login_left_behind_shows_the_warning_of_an_end_that_includes_it,
    Installed terminals::typing_still_counts_when_the_leader_was_killed,
    Installed unregistered::a_login_that_logind_does_not_know_is_over_when_its_user_leaves,
    Installed unregistered::a_login_that_logind_has_no_room_for_is_warned_and_ended,
    Installed unregistered::a_login_without_pam_systemd_survives_the_daemon_and_is_ended,
    Installed unregistered::a_user_whose_name_systemd_refuses_is_warned_and_ended,
    Installed web_console::a_web_login_is_not_ended_for_an_idle_terminal_and_input_there_counts,
}

/// Cases with real login managers.
macro_rules! at_login_screens {
    ($($name:ident: $suite:ident { $($module:ident::$case:ident,)* },)*) => {
        $(mod $name {
            $(#[test]
            #[ignore = "boots a machine: make test"]
            fn $case() -> super::Outcome {
                super::run_at_login_screen(name!($case), super::Suite::$suite, super::cases::$module::$case)
            })*
        })*
    };
}

at_login_screens! {
    trixie_login_managers: Trixie {
        login_managers::lightdm_is_asked_for_a_login_screen_where_a_desktop_of_another_service_was,
        login_managers::plasma_on_wayland_ends_whole_and_sddm_asks_for_a_login,
        login_managers::plasma_on_x11_ends_whole_and_lightdm_asks_for_a_login,
        login_managers::plasma_on_x11_ends_whole_and_sddm_asks_for_a_login,
        login_managers::a_hung_plasma_is_ended_and_sddm_asks_for_a_login,
        login_managers::plasma_is_reported_as_ended_only_when_its_manager_replies_again,
        login_managers::sddm_is_asked_for_a_login_screen_where_a_desktop_of_another_service_was,
    },
}

/// Cases about desktops: those of the second list on each desktop of the first, and the additional
/// ones of each desktop.
macro_rules! on_desktops {
    ({ $($desktop:ident: $suite:ident $environment:ident $own:tt,)* } $shared:tt) => {
        $(mod $desktop {
            on_desktop! { $suite $environment $shared }
            on_desktop! { $suite $environment $own }
        })*
    };
}

macro_rules! on_desktop {
    ($suite:ident $environment:ident { $($module:ident::$case:ident,)* }) => {
        $(#[test]
        #[ignore = "boots a machine: make test"]
        fn $case() -> super::Outcome {
            super::run_on(
                name!($case),
                super::Suite::$suite,
                super::Environment::$environment,
                super::cases::$module::$case,
            )
        })*
    };
}

on_desktops! {
    {
        bookworm_sway: Bookworm Sway {},
        bookworm_x11: Bookworm X11 {
            startx::a_console_with_an_x_server_is_not_ended_for_an_idle_terminal,
        },
        trixie_gnome: Trixie Gnome {
            desktops::idle_time_is_right_where_the_hint_comes_late_or_never,
            notifications::a_warning_on_the_screen_goes_with_the_time_and_its_button_withdraws_it,
            notifications::a_refused_extension_is_shown_on_the_screen_and_signing_out_ends_the_session,
            notifications::the_last_thing_on_the_screen_is_why_the_session_ends,
        },
        trixie_labwc: Trixie Labwc {
            notifications::a_warning_on_the_screen_goes_with_the_time_and_its_button_withdraws_it,
            notifications::a_refused_extension_is_shown_on_the_screen_and_signing_out_ends_the_session,
        },
        trixie_sway: Trixie Sway {
            doctor::a_screen_that_no_warning_reaches_is_named,
            notifications::the_locale_of_the_user_is_the_language_of_warnings,
            notifications::the_next_desktop_says_once_why_the_last_session_was_ended,
            notifications::a_warning_on_the_screen_outlives_the_daemon_and_is_neither_repeated_nor_lost,
            notifications::a_granted_extension_is_shown_on_the_screen,
            notifications::a_warning_on_the_screen_goes_with_the_time_and_its_button_withdraws_it,
            notifications::a_refused_extension_is_shown_on_the_screen_and_signing_out_ends_the_session,
            notifications::the_last_thing_on_the_screen_is_why_the_session_ends,
            notifications::a_notification_server_that_starts_late_shows_the_warnings_in_force,
        },
        trixie_x11: Trixie X11 {
            lockers::a_lock_of_mate_screensaver_is_believed_and_ends_nothing,
            lockers::a_lock_of_xscreensaver_is_believed_until_it_is_killed,
            notifications::the_next_desktop_says_once_why_the_last_session_was_ended,
            notifications::a_warning_on_the_screen_goes_with_the_time_and_its_button_withdraws_it,
            notifications::a_refused_extension_is_shown_on_the_screen_and_signing_out_ends_the_session,
            notifications::the_last_thing_on_the_screen_is_why_the_session_ends,
            startx::a_console_with_an_x_server_is_not_ended_for_an_idle_terminal,
        },
    }
    {
        agents::a_killed_agent_leaves_the_next_source_and_another_takes_its_place,
        agents::a_stopped_agent_delays_nothing_and_leaves_the_next_source,
        agents::other_callers_cannot_report_for_a_session_or_call_its_agent,
        agents::the_agent_survives_the_daemon_and_ends_with_its_session,
        desktops::a_key_during_the_warning_withdraws_it_at_once,
        desktops::a_key_keeps_the_session_and_silence_ends_it_on_time,
        desktops::idle_time_is_right_within_a_second_of_the_last_key,
    }
}
