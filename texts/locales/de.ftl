# Was Benutzern gesagt wird, auf Deutsch. Erklärungen stehen in en.ftl.

## Bei der Anmeldung

limits-absolute = Diese Sitzung endet nach { $absolute }.
limits-both = Diese Sitzung endet nach { $absolute } oder nach { $inactivity } ohne Eingabe.

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
when-time = um { $time } Uhr
when-date = am { $day }.{ $month }.{ $year } um { $time } Uhr

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
    }, weil keine Eingabe erfolgt. Drücken Sie eine Taste, um weiterzuarbeiten.
terminal-end = Sitzungszeitlimit: Diese Sitzung wurde beendet, { $reason }.
terminal-end-rule = Sitzungszeitlimit: Diese Sitzung wurde beendet, { $reason } (Regel „{ $rule }“).

## Auf dem Bildschirm

program = Sitzungszeitlimit

warning-title =
    { $end ->
        [locks] Dieser Bildschirm wird in spätestens { $left } gesperrt
       *[ends] Diese Sitzung endet in spätestens { $left }
    }
warning-title-now =
    { $end ->
        [locks] Dieser Bildschirm wird jetzt gesperrt
       *[ends] Diese Sitzung endet jetzt
    }

warning-text-ends = Speichern Sie Ihre Arbeit. Eine Sitzung dauert höchstens { $length }.
warning-text-ends-rule = Speichern Sie Ihre Arbeit. Eine Sitzung dauert höchstens { $length } (Regel „{ $rule }“).
warning-text-locks = Er wird alle { $length } gesperrt, auch wenn Sie gerade arbeiten.
warning-text-locks-rule = Er wird alle { $length } gesperrt (Regel „{ $rule }“), auch wenn Sie gerade arbeiten.
warning-text-input = Drücken Sie eine Taste oder bewegen Sie den Zeiger, um weiterzuarbeiten. Das Inaktivitätslimit beträgt { $length }.
warning-text-input-rule = Drücken Sie eine Taste oder bewegen Sie den Zeiger, um weiterzuarbeiten. Das Inaktivitätslimit beträgt { $length } (Regel „{ $rule }“).

offer =
    { $count ->
        [one] Sie können die Sitzung noch einmal um { $by } verlängern.
       *[other] Sie können die Sitzung noch { $count }-mal um je { $by } verlängern.
    }
offer-command = { offer } Der Befehl ist: session-timeout extend

granted = Diese Sitzung wurde um { $by } verlängert
granted-until = Sie endet in spätestens { $left }.

not-extended = Sie wurde nicht verlängert: { $why }.
not-heard = Ihre Antwort ist nicht angekommen ({ $why }): Drücken Sie eine Taste, um weiterzuarbeiten.
not-signed-out = Sie wurden nicht abgemeldet: { $why }.

end-notice-ends = Diese Sitzung endet jetzt
end-notice-locks = Dieser Bildschirm wurde gesperrt
end-notice-lasted = Sie hat { $length } gedauert.
end-notice-every = Er wird alle { $length } gesperrt.
end-notice-input = Es gab { $length } lang keine Eingabe.

button-stay = Angemeldet bleiben
button-sign-out = Jetzt abmelden
button-extend = Um { $by } verlängern

## Die Befehle „left“ und „extend“

state-ending = endet
state-locked = gesperrt
state-passed = überschritten
state-undecided = noch nicht entschieden
state-no-limit = kein Limit

session-state = Sitzung { $session }: { $state }
session-left =
    Sitzung { $session } { $end ->
        [locks] wird in { $left } gesperrt
        [passes] erreicht ihr Limit in { $left }
       *[ends] endet in { $left }
    }

by-absolute = wegen des absoluten Limits
by-absolute-of = wegen des absoluten Limits von { $length }
by-inactivity = wegen des Inaktivitätslimits
by-inactivity-of = wegen des Inaktivitätslimits von { $length }

extensions-left =
    { $count ->
        [0] das war die letzte Verlängerung
        [one] noch eine Verlängerung ist möglich
       *[other] noch { $count } Verlängerungen sind möglich
    }
extended = Sitzung { $session } wurde um { $by } verlängert und endet in { $left }; { extensions-left }.

## Warum es nicht mehr Zeit gibt; folgt auf einen Doppelpunkt

refused-abandoned = wer gefragt hat, ist nicht mehr da
refused-busy = Ihre letzte Anfrage nach mehr Zeit ist noch nicht entschieden
refused-dismissed = die Authentifizierung wurde abgebrochen
refused-ending = die Sitzung wird bereits beendet
refused-interactive = dafür ist eine Authentifizierung nötig
refused-late = niemand hat sich rechtzeitig authentifiziert
refused-longest = keine Sitzung dauert länger als 24 h; melden Sie sich neu an, um weiterzumachen
refused-no-agent = dafür ist eine Authentifizierung nötig, aber es läuft kein polkit-Authentifizierungsagent, der danach fragt
refused-no-limit = für diese Sitzung gilt kein absolutes Limit
refused-no-session = es gibt keine solche Sitzung
refused-not-allowed = die Richtlinie erlaubt keine Verlängerung dieser Sitzung
refused-not-authorized = polkit erlaubt es Ihnen nicht
refused-unavailable = polkit, das zustimmen müsste, antwortet nicht (ist polkitd installiert?)
refused-used-up = alle erlaubten Verlängerungen sind verbraucht

asked-on-terminals = { $why }; auf einem Terminal fragt der Befehl selbst danach
no-terminal-agent = { $why }; pkttyagent, das auf einem Terminal danach fragt, fehlt (Paket polkitd)
