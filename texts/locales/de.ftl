# Was Benutzern gesagt wird, auf Deutsch. Erklärungen stehen in en.ftl.

## Bei der Anmeldung

limits-absolute = Diese Sitzung endet nach { $absolute }.
limits-both = Diese Sitzung endet nach { $absolute }, oder nach { $inactivity } ohne Eingabe.

last-ending = Ihre letzte Sitzung wurde { $when } beendet, { $reason }.
last-ending-at = Ihre letzte Sitzung auf { $place } wurde { $when } beendet, { $reason }.
last-ending-title = Ihre letzte Sitzung wurde beendet

when-just-now = vor weniger als einer Minute
when-span = vor { $span }
when-days =
    { $days ->
        [one] vor { $days } Tag
       *[other] vor { $days } Tagen
    }

## Warum eine Sitzung endet; folgt auf einen Satz und ein Komma

reason-login = { $length } nach der Anmeldung
reason-unlock = { $length } nach dem letzten Entsperren
reason-input = nach { $length } ohne Eingabe

## Auf Terminals

terminal-warning =
    Sitzungszeitlimit: Diese Sitzung { $end ->
        [locks] wird in { $left } gesperrt
       *[ends] endet in { $left }
    }, { $reason }.
terminal-warning-input =
    Sitzungszeitlimit: Diese Sitzung { $end ->
        [locks] wird in { $left } gesperrt
       *[ends] endet in { $left }
    }, weil es keine Eingabe gibt. Zum Bleiben eine Taste drücken.
terminal-end = Sitzungszeitlimit: Diese Sitzung wurde beendet, { $reason }.
terminal-end-rule = Sitzungszeitlimit: Diese Sitzung wurde beendet, { $reason } (Regel „{ $rule }“).

## Auf dem Bildschirm

program = Sitzungszeitlimit

threat =
    { $end ->
        [locks] Dieser Bildschirm wird innerhalb von { $left } gesperrt
       *[ends] Diese Sitzung endet innerhalb von { $left }
    }
threat-now =
    { $end ->
        [locks] Dieser Bildschirm wird jetzt gesperrt
       *[ends] Diese Sitzung endet jetzt
    }

advice-ends = Sichern Sie Ihre Arbeit. Eine Sitzung dauert { $length }.
advice-ends-rule = Sichern Sie Ihre Arbeit. Eine Sitzung dauert { $length } (Regel „{ $rule }“).
advice-locks = Er wird alle { $length } gesperrt, auch wenn Sie gerade arbeiten.
advice-locks-rule = Er wird alle { $length } gesperrt (Regel „{ $rule }“), auch wenn Sie gerade arbeiten.
advice-input = Drücken Sie eine Taste oder bewegen Sie den Zeiger, um zu bleiben. Die Grenze ohne Eingabe ist { $length }.
advice-input-rule = Drücken Sie eine Taste oder bewegen Sie den Zeiger, um zu bleiben. Die Grenze ohne Eingabe ist { $length } (Regel „{ $rule }“).

offer =
    { $count ->
        [one] Sie können sie noch einmal verlängern, um { $by }.
       *[other] Sie können sie noch { $count }-mal verlängern, um je { $by }.
    }
offer-command = { offer } Der Befehl ist: session-timeout extend

granted = Diese Sitzung wurde um { $by } verlängert
granted-until = Sie endet innerhalb von { $left }.

not-extended = Sie wurde nicht verlängert: { $why }.
not-heard = Das wurde nicht gehört ({ $why }): Drücken Sie eine Taste, um zu bleiben.
not-signed-out = Sie wurden nicht abgemeldet: { $why }.

parting-ends = Diese Sitzung endet jetzt
parting-locks = Dieser Bildschirm wurde gesperrt
parting-lasted = Sie hat { $length } gedauert.
parting-input = Es gab { $length } lang keine Eingabe.

button-stay = Angemeldet bleiben
button-sign-out = Jetzt abmelden
button-extend = Um { $by } verlängern

## Die Befehle „left“ und „extend“

state-ending = endet
state-locked = gesperrt
state-passed = überschritten
state-undecided = unentschieden
state-no-limit = kein Limit

session-state = Sitzung { $session }: { $state }
session-left =
    Sitzung { $session } { $end ->
        [locks] wird in { $left } gesperrt
        [passes] überschreitet ihr Limit in { $left }
       *[ends] endet in { $left }
    }

by-absolute = durch das absolute Limit
by-absolute-of = durch das absolute Limit von { $length }
by-inactivity = durch das Inaktivitätslimit
by-inactivity-of = durch das Inaktivitätslimit von { $length }

extensions-left =
    { $count ->
        [0] das war die letzte Verlängerung
        [one] eine Verlängerung bleibt
       *[other] { $count } Verlängerungen bleiben
    }
extended = Sitzung { $session } darf { $by } länger dauern: Sie endet in { $left }; { extensions-left }.

## Warum es nicht mehr Zeit gibt; folgt auf einen Doppelpunkt

refused-abandoned = wer gefragt hat, ist nicht mehr da
refused-busy = über Ihren letzten Wunsch nach mehr Zeit ist noch nicht entschieden
refused-dismissed = die Authentifizierung wurde abgebrochen
refused-ending = die Sitzung wird bereits beendet
refused-interactive = dafür ist eine Authentifizierung nötig
refused-late = niemand hat sich rechtzeitig authentifiziert
refused-longest = keine Sitzung dauert länger als 24 h; melden Sie sich neu an, um weiterzumachen
refused-no-agent = dafür ist eine Authentifizierung nötig, und kein Authentifizierungsagent von polkit ist da, der danach fragt
refused-no-limit = für diese Sitzung gilt kein absolutes Limit
refused-no-session = es gibt keine solche Sitzung
refused-not-allowed = die Richtlinie erlaubt keine Verlängerung dieser Sitzung
refused-not-authorized = polkit erlaubt es Ihnen nicht
refused-unavailable = polkit, das zustimmen müsste, antwortet nicht (ist polkitd installiert?)
refused-used-up = alle erlaubten Verlängerungen sind verbraucht

asked-on-terminals = { $why }; auf einem Terminal wird dort danach gefragt
no-terminal-agent = { $why }; pkttyagent, das auf einem Terminal danach fragt, ist nicht da (Paket polkitd)
