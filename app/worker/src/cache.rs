//! A map that forgets what was not asked for lately, so that its memory has a bound.

use std::collections::hash_map::Entry;
use std::collections::HashMap;
use std::hash::Hash;

/// Holds the last `size` to twice `size` entries that were used.
pub struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    size: usize,
}

impl<K: Eq + Hash, V> Cache<K, V> {
    /// An empty one.
    pub fn new(size: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            size,
        }
    }

    /// The value of `key`, if it is remembered.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get(key)
    }

    /// The value of `key`, made if it is not remembered.
    ///
    /// # Errors
    /// Those of `make`; then nothing is remembered.
    pub fn get_or_try_insert_with<E>(
        &mut self,
        key: K,
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<&mut V, E> {
        self.age();
        match self.young.entry(key) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let value = match self.old.remove(entry.key()) {
                    Some(value) => value,
                    None => make()?,
                };
                Ok(entry.insert(value))
            }
        }
    }

    /// Remembers a value.
    pub fn insert(&mut self, key: K, value: V) {
        self.age();
        self.young.insert(key, value);
    }

    /// Forgets the value of `key`, and returns it.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Once `size` are young they are old, and what was old is forgotten.
    fn age(&mut self) {
        if self.young.len() >= self.size {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}
