//! Room that clients share: so much of something, of which none holds more than an eighth.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One client may hold this part of a room.
const SHARES: usize = 8;

/// Whom a connection or request is counted for: its address, of IPv6 the network that one subscriber has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(u64);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => u64::from(u32::from(address)),
            IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
        })
    }
}

/// So much of something.
#[derive(Debug)]
pub struct Room {
    size: usize,
    held: Mutex<Holdings>,
}

#[derive(Debug, Default)]
struct Holdings {
    all: usize,
    by_client: HashMap<Client, usize>,
}

/// A part of a room, given back when this is dropped.
#[derive(Debug)]
pub struct Place {
    room: Arc<Room>,
    client: Client,
    amount: usize,
}

impl Room {
    /// Room for `size`.
    pub fn new(size: usize) -> Arc<Self> {
        Arc::new(Self {
            size,
            held: Mutex::default(),
        })
    }

    /// Room for `amount`, if there is so much and the client's share is not used up. Who holds nothing may take one thing that
    /// is larger than a share.
    pub fn take(self: &Arc<Self>, client: Client, amount: usize) -> Option<Place> {
        let mut held = self.lock();
        let own = held.by_client.get(&client).copied().unwrap_or_default();
        let all = held.all.checked_add(amount)?;
        let fits = own == 0 || own + amount <= self.size / SHARES;
        if !fits || all > self.size {
            return None;
        }
        held.all = all;
        held.by_client.insert(client, own + amount);
        Some(Place {
            room: self.clone(),
            client,
            amount,
        })
    }

    /// How much is held.
    pub fn held(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Holdings> {
        // Nothing in here panics.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.room.lock();
        held.all = held.all.saturating_sub(self.amount);
        let own = held.by_client.get(&self.client).copied();
        match own.unwrap_or_default().saturating_sub(self.amount) {
            0 => held.by_client.remove(&self.client),
            left => held.by_client.insert(self.client, left),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u8) -> Client {
        IpAddr::from([192, 0, 2, number]).into()
    }

    #[test]
    fn is_shared_and_given_back() {
        let room = Room::new(80);
        let first: Vec<_> = (0..10).map_while(|_| room.take(client(1), 3)).collect();
        assert_eq!((first.len(), room.held()), (3, 9));
        // One thing that is larger, for who holds nothing.
        let second = room.take(client(2), 60).expect("room");
        assert!(room.take(client(2), 1).is_none());
        assert!(room.take(client(3), 12).is_none());
        let third = room.take(client(3), 11).expect("room");
        assert!(room.take(client(4), 1).is_none());
        drop((first, second, third));
        assert_eq!(room.held(), 0);
        assert!(room.lock().by_client.is_empty());
    }

    #[test]
    fn is_shared_by_subscribers_of_ipv6() {
        let of = |address: &str| Client::from(address.parse::<IpAddr>().expect("address"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
