//! librdkafka's words for why a connection failed, what they mean, and what to do.
//!
//! It tells why in words only. What TLS says is not read from them: [`super::handshake`] asks for itself.

/// The first row whose words all occur counts.
#[rustfmt::skip]
const CAUSES: &[(&[&str], &str, &str)] = &[
    (&["certificate verify failed"], "the certificate of a broker does not hold",
        "see what is said of each address; brokers also give out addresses of their own (advertised.listeners)"),
    (&["bad certificate"], "the broker does not take our certificate",
        "set kafka.ssl_certificate_file and kafka.ssl_key_file to a pair that the broker's authority signed"),
    (&["certificate required"], "the broker wants a certificate of ours", "set kafka.ssl_certificate_file and kafka.ssl_key_file"),
    (&["Required feature not supported"], "what answers there does not know topics: most likely it is a controller of the cluster",
        "name the addresses of brokers in kafka.bootstrap_servers"),
    (&["Disconnected", "in state UP"], "the broker hangs up after the greeting: most likely it wants a sign-in",
        "set kafka.security_protocol to its sasl_ form, with kafka.sasl_username and kafka.sasl_password_file"),
    (&["supported mechanisms:  ("], "the port wants no sign-in",
        "set kafka.security_protocol to its form without sasl_, and take the kafka.sasl_ keys out"),
    (&["supported mechanisms: "], "the broker does not offer this way to sign in", "set kafka.sasl_mechanism to one that it offers"),
    (&["uthentication fail"], WRONG_PASSWORD, LOOK_AT_PASSWORD),
    (&["SASL authentication error"], WRONG_PASSWORD, LOOK_AT_PASSWORD),
];

const WRONG_PASSWORD: &str = "the broker refuses the user name or the password";
const LOOK_AT_PASSWORD: &str =
    "look at kafka.sasl_username, at the file of kafka.sasl_password_file, and at kafka.sasl_mechanism";

/// What the words mean, and what to do; `None` for words that nobody knows.
pub(crate) fn explain(words: &str) -> Option<(&'static str, &'static str)> {
    let fits = |parts: &[&str]| parts.iter().all(|part| words.contains(part));
    CAUSES.iter().find(|(parts, ..)| fits(parts)).map(|(_, says, fix)| (*says, *fix))
}

/// The ways to sign in that the broker named instead, if it named any: `, only SCRAM-SHA-256`.
pub(crate) fn offered(cause: &str) -> String {
    let list = cause.split_once("supported mechanisms: ").map_or("", |(_, rest)| rest);
    let list = list.split("(after").next().unwrap_or(list).trim();
    if list.is_empty() { String::new() } else { format!(", only {list}") }
}
