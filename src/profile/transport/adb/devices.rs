//! Which phones there are and whether they can be used: what `adb devices -l` says.

use super::super::TransportError;

/// A phone that adb sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub serial: String,
    pub state: State,
}

/// What can be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything.
    Ready,
    Unauthorized,
    /// Seen, but it does not answer (yet).
    Offline,
    /// This user may not open the USB device.
    NoPermissions,
    /// Still deciding.
    Connecting,
    /// Recovery, sideload, bootloader and others, in adb's words.
    Other(String),
}

/// Reads the list; lines that are none of it are passed over.
pub fn parse(text: &str) -> Vec<Listed> {
    let lines = text.lines().skip_while(|line| !line.starts_with("List of devices")).skip(1);
    let listed = lines.filter(|line| !line.starts_with('*')).filter_map(|line| {
        let (serial, rest) = line.split_once(char::is_whitespace)?;
        let rest = rest.trim_start();
        let state = match rest.split_whitespace().next()? {
            "device" => State::Ready,
            "unauthorized" => State::Unauthorized,
            "offline" => State::Offline,
            "no" if rest.starts_with("no permissions") => State::NoPermissions,
            "connecting" | "authorizing" => State::Connecting,
            other => State::Other(other.chars().filter(|c| !c.is_control()).take(40).collect()),
        };
        (!serial.is_empty()).then(|| Listed { serial: serial.to_owned(), state })
    });
    listed.collect()
}

/// The serial number an address means: itself, or that of the only phone.
///
/// # Errors
/// For the empty address where there is no phone or more than one.
pub fn choose(address: &str, listed: &[Listed]) -> Result<String, TransportError> {
    if !address.is_empty() {
        return Ok(address.to_owned());
    }
    let target = "a phone".to_owned();
    match listed {
        [only] => Ok(only.serial.clone()),
        [] => Err(TransportError::NotReady {
            target,
            problem: "none is connected".to_owned(),
            advice: "plug it in and allow USB debugging on it (Settings, System, Developer options), or give host:port",
        }),
        several => {
            let serials: Vec<&str> = several.iter().map(|phone| phone.serial.as_str()).collect();
            let problem = format!("{} are connected ({})", several.len(), serials.join(", "));
            Err(TransportError::NotReady { target, problem, advice: "choose one by its serial number" })
        }
    }
}

/// Why a phone cannot be used and the way out; none where it can. `state` is absent for a phone that is not listed.
pub fn problem(state: Option<&State>) -> Option<(String, &'static str)> {
    let (problem, advice) = match state {
        Some(State::Ready) => return None,
        None => ("adb does not see it", "check cable and power, or what `adb devices -l` lists"),
        Some(State::Unauthorized) => (
            "it has not authorised this computer",
            "unlock it and accept the question about USB debugging; without a question revoke the authorisations in its \
             Developer options and plug it in again",
        ),
        Some(State::Offline) => (
            "it is offline",
            "unplug it and plug it in again, or turn USB debugging off and on; `adb reconnect offline` may do, too",
        ),
        Some(State::NoPermissions) => (
            "this user may not open it",
            "install udev rules for phones (Debian, Ubuntu: package android-sdk-platform-tools-common), join the group \
             plugdev, log in again and run `adb kill-server`",
        ),
        Some(State::Connecting) => ("it has not answered yet", "unlock it and look for a question on its screen"),
        Some(State::Other(state)) => {
            return Some((format!("it is in the state {state:?}"), "start Android on it (`adb reboot`)"));
        }
    };
    Some((problem.to_owned(), advice))
}

/// Refuses addresses that adb could take for an option or that cannot be one.
pub fn check_address(address: &str) -> Result<(), TransportError> {
    let problem = if address.starts_with('-') {
        "it begins with '-'"
    } else if address.len() > 200 {
        "it is too long"
    } else if address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        "it contains blanks or control characters"
    } else {
        return Ok(());
    };
    Err(TransportError::NotReady {
        target: format!("phone {address:?}"),
        problem: problem.to_owned(),
        advice: "give its serial number (`adb devices` lists it) or host:port",
    })
}

/// Whether an address is a network address, which adb connects to.
pub fn is_network(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n\
        List of devices attached\n\
        FA79J1A00421           device usb:1-4 product:walleye model:Pixel_2 device:walleye transport_id:1\n\
        ZY22\tunauthorized usb:1-2 transport_id:2\n\
        192.168.1.7:5555       offline transport_id:3\n\
        0123456789ABCDEF       no permissions (user in plugdev group; are your udev rules wrong?); see [http://x] usb:1-1\n\
        R3CN                   recovery usb:1-9\n\
        \n";

    #[test]
    fn states_are_read() {
        let states: Vec<_> = parse(LIST).into_iter().map(|phone| (phone.serial, phone.state)).collect();
        let expected = [
            ("FA79J1A00421", State::Ready),
            ("ZY22", State::Unauthorized),
            ("192.168.1.7:5555", State::Offline),
            ("0123456789ABCDEF", State::NoPermissions),
            ("R3CN", State::Other("recovery".to_owned())),
        ];
        assert_eq!(states, expected.map(|(serial, state)| (serial.to_owned(), state)));
        for text in ["", "garbage\nFA79 device\n", "List of devices attached\n\n", "List of devices attached\nx"] {
            assert_eq!(parse(text), [], "{text:?}");
        }
    }

    #[test]
    fn every_state_but_ready_has_a_way_out() {
        for phone in parse(LIST) {
            assert_eq!(problem(Some(&phone.state)).is_none(), phone.state == State::Ready);
        }
        assert!(problem(Some(&State::Unauthorized)).unwrap().1.contains("USB debugging"));
        assert!(problem(None).is_some());
    }

    #[test]
    fn the_only_phone_needs_no_name() {
        let listed = parse(LIST);
        assert_eq!(choose("", &listed[..1]).unwrap(), "FA79J1A00421");
        assert_eq!(choose("R3CN", &listed).unwrap(), "R3CN");
        let error = choose("", &listed[..2]).unwrap_err().to_string();
        assert!(error.contains("FA79J1A00421, ZY22") && error.contains("choose one"), "{error}");
        assert!(choose("", &[]).unwrap_err().to_string().contains("none is connected"));
    }

    #[test]
    fn addresses() {
        for address in ["-s", "a b", "a\nb", &"x".repeat(300)] {
            assert!(check_address(address).is_err(), "{address:?}");
        }
        for (address, network) in
            [("FA79J1A00421", false), ("10.0.0.1:5555", true), ("[::1]:5555", true), ("usb:1-4", false), ("", false)]
        {
            check_address(address).unwrap();
            assert_eq!(is_network(address), network, "{address}");
        }
    }
}
