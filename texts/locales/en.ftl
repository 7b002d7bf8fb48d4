# What users are told, in English. The syntax is that of Project Fluent.
#
# A time comes as text, such as "1 h 30 min": the signs of the units are international. All other
# text that comes from outside has no character in it that commands a terminal.

## At the login

limits-absolute = This session ends after { $absolute }.
limits-both = This session ends after { $absolute }, or after { $inactivity } without input.

# $place is a terminal or a seat, $reason is one of those below.
last-ending = Your last session was ended { $when }, { $reason }.
last-ending-at = Your last session on { $place } was ended { $when }, { $reason }.
last-ending-title = Your last session was ended

when-just-now = less than a minute ago
when-span = { $span } ago
when-days =
    { $days ->
        [one] { $days } day ago
       *[other] { $days } days ago
    }
when-time = at { $time }
when-date = on { $year }-{ $month }-{ $day } at { $time }

## Why a session ends; to follow a sentence and a comma

reason-login = { $length } after the login
reason-unlock = { $length } after the last unlock
reason-input = after { $length } without input

## On terminals

terminal-warning =
    Session timeout: this session { $end ->
        [locks] is locked
       *[ends] ends
    } in { $left }, { $reason }.
terminal-warning-input =
    Session timeout: this session { $end ->
        [locks] is locked
       *[ends] ends
    } in { $left }, for lack of input. Press a key to stay.
terminal-end = Session timeout: this session has ended, { $reason }.
terminal-end-rule = Session timeout: this session has ended, { $reason } (rule "{ $rule }").

## On the screen

program = Session timeout

warning-title =
    { $end ->
        [locks] This screen is locked within { $left }
       *[ends] This session ends within { $left }
    }
warning-title-now =
    { $end ->
        [locks] This screen is locked now
       *[ends] This session ends now
    }

warning-text-ends = Save your work. A session lasts for { $length }.
warning-text-ends-rule = Save your work. A session lasts for { $length } (rule "{ $rule }").
warning-text-locks = It is locked every { $length }, however busy you are.
warning-text-locks-rule = It is locked every { $length } (rule "{ $rule }"), however busy you are.
warning-text-input = Press a key or move the pointer to stay. The inactivity limit is { $length }.
warning-text-input-rule = Press a key or move the pointer to stay. The inactivity limit is { $length } (rule "{ $rule }").

offer =
    { $count ->
        [one] You may extend it once more, by { $by }.
       *[other] You may extend it { $count } more times, by { $by } each.
    }
offer-command = { offer } The command is: session-timeout extend

granted = This session was extended by { $by }
granted-until = It ends within { $left }.

# $why is a sentence without its full stop.
not-extended = It was not extended: { $why }.
not-heard = Your answer did not arrive ({ $why }): press a key to stay.
not-signed-out = You were not signed out: { $why }.

end-notice-ends = This session ends now
end-notice-locks = This screen was locked
end-notice-lasted = It has lasted for { $length }.
end-notice-every = It is locked every { $length }.
end-notice-input = There was no input for { $length }.

button-stay = Stay signed in
button-sign-out = Sign out now
button-extend = Extend by { $by }

## The commands "left" and "extend"

state-ending = ending
state-locked = locked
state-passed = passed
state-undecided = undecided
state-no-limit = no limit

session-state = Session { $session }: { $state }
session-left =
    Session { $session } { $end ->
        [locks] is locked
        [passes] passes its limit
       *[ends] ends
    } in { $left }

# $length is how long the limit is.
by-absolute = by the absolute limit
by-absolute-of = by the absolute limit of { $length }
by-inactivity = by the inactivity limit
by-inactivity-of = by the inactivity limit of { $length }

extensions-left =
    { $count ->
        [0] that was the last extension
        [one] one extension is left
       *[other] { $count } extensions are left
    }
extended = Session { $session } may last { $by } longer: it ends in { $left }; { extensions-left }.

## Why there is no more time; to follow a colon

refused-abandoned = the caller has gone away
refused-busy = your last wish for more time is not decided yet
refused-dismissed = the authentication was dismissed
refused-ending = the session is already being ended
refused-interactive = authentication is needed for that
refused-late = nobody has authenticated in time
refused-longest = no session lasts longer than 24 h; log in again to go on
refused-no-agent = authentication is needed for that, and no authentication agent of polkit's is there to ask for it
refused-no-limit = no absolute limit holds for this session
refused-no-session = there is no such session
refused-not-allowed = the policy allows no extension of this session
refused-not-authorized = not authorized by polkit
refused-unavailable = polkit, which would have to agree, does not answer (is polkitd installed?)
refused-used-up = all extensions that are allowed are used up

# What would help.
asked-on-terminals = { $why }; on a terminal, the command asks for it itself
no-terminal-agent = { $why }; pkttyagent, which asks on a terminal, is not there (package polkitd)
