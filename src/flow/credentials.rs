//! The password that clients sign in with, where it changes while they live.
//!
//! Every client that lives as long as the flow follows: it is told of each new password, and of the newest one when it is
//! made, since what it was made of may be older. Clients for a single question are made of settings, which are read when
//! the flow starts, and are gone before that matters.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A client that can be given another password.
pub(crate) trait SignsIn: Send + Sync {
    /// From its next sign-in on.
    ///
    /// # Errors
    /// Why it cannot be used.
    fn set_credentials(&self, user: &str, password: &str) -> Result<(), String>;
}

/// Who signs in, and how. Clones are the same one.
#[derive(Clone, Default)]
pub struct Credentials(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// User name and password, once they have changed.
    newest: Option<(String, String)>,
    followers: Vec<Weak<dyn SignsIn>>,
}

impl Credentials {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this client is told of changes.
    pub(crate) fn follow<C: SignsIn + 'static>(&self, client: &Arc<C>) {
        let mut state = self.state();
        if let Some((user, password)) = &state.newest {
            set(client.as_ref(), user, password);
        }
        let client: Weak<C> = Arc::downgrade(client);
        state.followers.retain(|follower| follower.strong_count() > 0);
        state.followers.push(client);
    }

    /// Tells everybody; how many there are.
    pub(crate) fn change(&self, user: &str, password: &str) -> usize {
        let mut state = self.state();
        state.newest = Some((user.to_owned(), password.to_owned()));
        state.followers.retain(|follower| follower.strong_count() > 0);
        let living: Vec<Arc<dyn SignsIn>> = state.followers.iter().filter_map(Weak::upgrade).collect();
        // The last one to let a client go closes it, which takes time.
        drop(state);
        living.iter().for_each(|client| set(client.as_ref(), user, password));
        living.len()
    }
}

fn set(client: &dyn SignsIn, user: &str, password: &str) {
    if let Err(why) = client.set_credentials(user, password) {
        tracing::warn!("a client does not take the new password: {why}");
    }
}

/// Without the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credentials").field("followers", &self.state().followers.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Client(Mutex<Vec<String>>);

    impl SignsIn for Client {
        fn set_credentials(&self, user: &str, password: &str) -> Result<(), String> {
            self.0.lock().unwrap().push(format!("{user} {password}"));
            Ok(())
        }
    }

    #[test]
    fn whoever_lives_is_told_and_nobody_else() {
        let credentials = Credentials::default();
        let (one, other) = (Arc::new(Client::default()), Arc::new(Client::default()));
        credentials.follow(&one);
        credentials.follow(&other);
        assert_eq!(credentials.clone().change("me", "new"), 2);
        drop(one);
        assert_eq!(credentials.change("me", "newer"), 1);
        let late = Arc::new(Client::default());
        credentials.follow(&late);
        assert_eq!(credentials.change("me", "newest"), 2);
        assert!(!format!("{credentials:?}").contains("newest"));
        assert_eq!(*other.0.lock().unwrap(), ["me new", "me newer", "me newest"]);
        assert_eq!(*late.0.lock().unwrap(), ["me newer", "me newest"], "what it was made of may be older");
    }
}
