//! Gives a living client another password. It is used from its next connection on, and where brokers ask for a new
//! sign-in from time to time (`connections.max.reauth.ms`), on those that stand.
//!
//! # Why `unsafe` is sound here
//! The client is borrowed for the call, and copies name and password under a lock of its own; the error that it may
//! return is ours, and destroyed once.
#![allow(unsafe_code, reason = "see above")]

use std::ffi::CString;

use rdkafka::bindings::{rd_kafka_error_destroy, rd_kafka_error_string, rd_kafka_sasl_set_credentials};

use super::{Native, text};
use crate::flow::credentials::SignsIn;

impl<N: Native> SignsIn for N {
    fn set_credentials(&self, user: &str, password: &str) -> Result<(), String> {
        set(self, user, password)
    }
}

fn set(client: &(impl Native + ?Sized), user: &str, password: &str) -> Result<(), String> {
    let c_string =
        |text: &str| CString::new(text).map_err(|_| "a zero byte in the user name or the password".to_owned());
    let (user, password) = (c_string(user)?, c_string(password)?);
    // SAFETY: see the top of the file.
    unsafe {
        let error = rd_kafka_sasl_set_credentials(client.native(), user.as_ptr(), password.as_ptr());
        if error.is_null() {
            return Ok(());
        }
        let why = text(rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        Err(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_takes_what_it_can_use() {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:1").set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
        let client: rdkafka::consumer::BaseConsumer = config.create().unwrap();
        assert_eq!(client.set_credentials("me", "new"), Ok(()));
        assert!(client.set_credentials("me", "zero\0").is_err());
    }
}
