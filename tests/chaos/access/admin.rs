//! What the Kafka client's binding has no words for, said to the broker in Kafka's own protocol: rights, users, quotas.

use std::io::{Read, Write};
use std::net::TcpStream;

use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;

/// `ResourceType`s of Kafka's rights.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    Topic = 2,
    Group = 3,
    TransactionalId = 5,
}

/// `AclOperation`s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum May {
    Read = 3,
    Write = 4,
    Create = 5,
    Describe = 8,
    DescribeConfigs = 10,
}

const LITERAL: u8 = 3;
const PREFIXED: u8 = 4;
const ALLOW: u8 = 3;
const DENY: u8 = 2;
/// Everything there is, where rights are taken away; and every operation, where they are given.
const ANY: u8 = 1;
const ALL: u8 = 2;
/// Who signs in nowhere.
const NOBODY: &str = "User:ANONYMOUS";

const CREATE_ACLS: (u16, u16) = (30, 1);
const DELETE_ACLS: (u16, u16) = (31, 1);
const ALTER_QUOTAS: (u16, u16) = (49, 0);
const ALTER_PASSWORDS: (u16, u16) = (51, 0);

const SCRAM_SHA_256: u8 = 1;
const ITERATIONS: i32 = 4096;
const SALT: &[u8] = b"a salt for tests";

/// Allows a user something; a name that ends with `*` stands for all that begin so.
pub(crate) fn allow(broker: &str, user: &str, on: On, name: &str, operations: &[May]) {
    let (name, pattern) = name.strip_suffix('*').map_or((name, LITERAL), |prefix| (prefix, PREFIXED));
    let mut body = Body::default();
    body.int(operations.len() as i32);
    for operation in operations {
        body.byte(on as u8).text(name).byte(pattern).text(&format!("User:{user}")).text("*");
        body.byte(*operation as u8).byte(ALLOW);
    }
    create(broker, &body);
}

fn create(broker: &str, body: &Body) {
    let answer = ask(broker, CREATE_ACLS, body, Header::Plain);
    // Throttle, then an error for each.
    let mut rest = &answer[4..];
    for _ in 0..int(&mut rest) {
        assert_eq!(short(&mut rest), 0, "{answer:?}");
        let length = short(&mut rest).max(0) as usize;
        rest = &rest[length..];
    }
}

/// From now on a topic may not be written by those who sign in nowhere; all else is as before.
pub(crate) fn forbid_writing(broker: &str, topic: &str) {
    let mut body = Body::default();
    body.int(2);
    for (operation, permission) in [(ALL, ALLOW), (May::Write as u8, DENY)] {
        body.byte(On::Topic as u8).text(topic).byte(LITERAL).text(NOBODY).text("*").byte(operation).byte(permission);
    }
    create(broker, &body);
}

/// Nothing is said about a topic any more.
pub(crate) fn let_write(broker: &str, topic: &str) {
    let mut body = Body::default();
    body.int(1).byte(On::Topic as u8).text(topic).byte(LITERAL).text(NOBODY).text("*").byte(ANY).byte(ANY);
    let answer = ask(broker, DELETE_ACLS, &body, Header::Plain);
    assert_eq!(answer[8..10], [0, 0], "{answer:?}");
}

/// Takes all of a user's rights on something away.
pub(crate) fn take_away(broker: &str, user: &str, on: On, name: &str, operation: May) {
    let mut body = Body::default();
    body.int(1).byte(on as u8).text(name).byte(LITERAL).text(&format!("User:{user}")).text("*");
    body.byte(operation as u8).byte(ALLOW);
    let answer = ask(broker, DELETE_ACLS, &body, Header::Plain);
    assert_eq!(answer[8..10], [0, 0], "{answer:?}");
}

/// Bytes per second that clients of this name may write and read.
pub(crate) fn throttle(broker: &str, client: &str, produced: f64, fetched: f64) {
    let mut body = Body::default();
    body.int(1).int(1).text("client-id").text(client).int(2);
    for (key, rate) in [("producer_byte_rate", produced), ("consumer_byte_rate", fetched)] {
        body.text(key).bytes(&rate.to_be_bytes()).byte(0);
    }
    body.byte(0);
    let answer = ask(broker, ALTER_QUOTAS, &body, Header::Plain);
    assert_eq!(answer[8..10], [0, 0], "{answer:?}");
}

/// Gives a user this password, and makes the user where there is none.
pub(crate) fn set_password(broker: &str, user: &str, password: &str) {
    let mut salted = [0; 32];
    pbkdf2_hmac(password.as_bytes(), SALT, ITERATIONS as usize, MessageDigest::sha256(), &mut salted).unwrap();
    let mut body = Body::default();
    // Nobody to delete, one to set; lengths are one more than they are, and tags there are none.
    body.byte(1).byte(2).compact(user.as_bytes()).byte(SCRAM_SHA_256).int(ITERATIONS);
    body.compact(SALT).compact(&salted).byte(0).byte(0);
    let answer = ask(broker, ALTER_PASSWORDS, &body, Header::Tagged);
    // Tags of the header, throttle, one result: its name, its error.
    let error = &answer[1 + 4 + 1 + 1 + user.len()..];
    assert_eq!(error[..2], [0, 0], "{answer:?}");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Plain,
    /// With the tags of flexible versions.
    Tagged,
}

/// Asks, and gives what stands behind the number of the question.
fn ask(broker: &str, (key, version): (u16, u16), body: &Body, header: Header) -> Vec<u8> {
    let mut request = Body::default();
    request.bytes(&key.to_be_bytes()).bytes(&version.to_be_bytes()).int(1).text("test");
    if header == Header::Tagged {
        request.byte(0);
    }
    request.bytes(&body.0);
    let mut stream = TcpStream::connect(broker).unwrap();
    stream.write_all(&(request.0.len() as i32).to_be_bytes()).unwrap();
    stream.write_all(&request.0).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).unwrap();
    answer.split_off(4)
}

#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn byte(&mut self, byte: u8) -> &mut Self {
        self.bytes(&[byte])
    }

    fn int(&mut self, number: i32) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(&(text.len() as i16).to_be_bytes()).bytes(text.as_bytes())
    }

    /// Of fewer than 127 bytes.
    fn compact(&mut self, bytes: &[u8]) -> &mut Self {
        self.byte(bytes.len() as u8 + 1).bytes(bytes)
    }
}

fn int(rest: &mut &[u8]) -> i32 {
    let (number, behind) = rest.split_first_chunk().unwrap();
    *rest = behind;
    i32::from_be_bytes(*number)
}

fn short(rest: &mut &[u8]) -> i16 {
    let (number, behind) = rest.split_first_chunk().unwrap();
    *rest = behind;
    i16::from_be_bytes(*number)
}
