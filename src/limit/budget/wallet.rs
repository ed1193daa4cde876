//! What one call pays from. All its purses are looked at in one step: they are locked together, in the order of their
//! addresses, so that two calls never wait for each other and none sees what another may yet have to give back.

use std::array;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::book::Book;
use super::{Cap, Crossings, Level, Purse, Refusal};

/// A call pays from its client's purse, from its plan's, and from everybody's.
pub const MOST_ACCOUNTS: usize = 3;

/// A purse, with what may be taken from it.
#[derive(Clone, Debug)]
pub struct Account {
    pub purse: Arc<Purse>,
    /// None: what is spent is counted, and nothing is refused.
    pub cap: Option<Cap>,
}

impl Account {
    /// What a call that holds some of it may hold of an amount.
    fn most(&self, book: &Book, amount: u64, held: u64) -> u64 {
        self.cap.map_or(amount, |cap| amount.min(book.left(&cap, held)))
    }
}

/// The money of one call in flight. Dropping it unsettled gives everything back: the call cost nothing.
pub struct Wallet {
    /// By the address of the purse, each with its place in the order given.
    accounts: [Option<(usize, Account)>; MOST_ACCOUNTS],
    /// For each of the accounts that there are; None: settled. Locked before the purses, never after.
    reserved: Mutex<Option<[u64; MOST_ACCOUNTS]>>,
}

impl Wallet {
    /// Reserves the estimate in each account, cut to what is left of its cap, or reserves nothing in any. An estimate of 0
    /// is a call that costs nothing, or whose price nobody knows: it passes even where everything is used up. More than
    /// [`MOST_ACCOUNTS`] accounts are not looked at, and one purse pays once, under the first of its caps.
    ///
    /// # Errors
    /// Some cap has nothing left. Nothing is reserved then.
    pub fn reserve(
        accounts: impl IntoIterator<Item = Account>,
        estimate: u64,
        unix: Duration,
    ) -> Result<Wallet, Refusal> {
        let accounts = by_address(accounts);
        let mut books = open(&accounts, unix);
        let refusals = both(&accounts, &mut books).filter_map(|((index, account), book)| {
            let cap = account.cap.as_ref().filter(|_| estimate > 0)?;
            (book.left(cap, 0) == 0).then(|| refusal(*index, cap, book, unix))
        });
        if let Some(mut refusal) = refusals.max_by_key(rank) {
            for (_, book) in both(&accounts, &mut books).filter(|((index, _), _)| *index == refusal.account) {
                refusal.first = refusal.used_up && book.tell(&refusal.cap, Level::UsedUp);
            }
            return Err(refusal);
        }
        let mut reserved = [0; MOST_ACCOUNTS];
        for (((_, account), book), reserved) in both(&accounts, &mut books).zip(&mut reserved) {
            let most = account.most(book, estimate, 0);
            *reserved = book.reserve(most);
        }
        drop(books);
        Ok(Wallet { accounts, reserved: Mutex::new(Some(reserved)) })
    }

    /// For a cap that ends an answer in the middle: raises what is reserved to what the call has cost so far. False, with
    /// nothing raised: some cap has no room for it, so stop the answer and settle.
    pub fn grow(&self, used: u64, unix: Duration) -> bool {
        self.raise(used, unix, used)
    }

    /// For a call that turns out dearer before it has cost anything: raises what is reserved to a new estimate, cut to what
    /// is left of each cap, that which the call holds included. False, with nothing raised: some cap has nothing left.
    pub fn stretch(&self, estimate: u64, unix: Duration) -> bool {
        self.raise(estimate, unix, 1)
    }

    /// Raises what is reserved to a figure, cut to what is left; false, with nothing raised, where that is less than `least`.
    fn raise(&self, to: u64, unix: Duration, least: u64) -> bool {
        let mut reserved = self.reserved.lock();
        let Some(reserved) = reserved.as_mut() else { return true };
        // What was cut stands for all of it as long as the call has not come that far.
        if self.accounts.iter().flatten().zip(reserved.iter()).all(|(_, reserved)| *reserved >= to) {
            return true;
        }
        let mut books = open(&self.accounts, unix);
        let fits =
            both(&self.accounts, &mut books).zip(reserved.iter()).all(|(((_, account), book), reserved)| {
                *reserved >= to || account.most(book, to, *reserved) >= least
            });
        if fits {
            for (((_, account), book), reserved) in both(&self.accounts, &mut books).zip(reserved) {
                let most = account.most(book, to, *reserved);
                *reserved += book.reserve(most.saturating_sub(*reserved));
            }
        }
        fits
    }

    /// Puts what the call really cost in the place of what it reserved. Only the first time counts. What it cost above
    /// that is spent all the same. What people are to be told comes back.
    pub fn settle(&self, truth: u64, unix: Duration) -> Crossings {
        self.pay(|_| truth, unix)
    }

    /// Lets what was reserved stand for what the call cost, which nobody can tell.
    pub fn keep(&self, unix: Duration) -> Crossings {
        self.pay(|reserved| reserved, unix)
    }

    /// What it has reserved in a purse.
    #[cfg(test)]
    pub(super) fn held(&self, purse: &Arc<Purse>) -> u64 {
        let reserved = self.reserved.lock().unwrap_or_default();
        let held = self.accounts.iter().flatten().zip(reserved);
        held.filter(|((_, account), _)| Arc::ptr_eq(&account.purse, purse))
            .map(|(_, reserved)| reserved)
            .sum()
    }

    fn pay(&self, price: impl Fn(u64) -> u64, unix: Duration) -> Crossings {
        let mut crossings = Crossings::default();
        let Some(reserved) = self.reserved.lock().take() else { return crossings };
        for ((index, account), reserved) in self.accounts.iter().flatten().zip(reserved) {
            let mut book = account.purse.open(unix);
            book.release(reserved);
            book.spend(price(reserved));
            if let Some(cap) = &account.cap {
                crossings.note(*index, cap, &mut book);
            }
        }
        crossings
    }
}

impl Drop for Wallet {
    fn drop(&mut self) {
        let Some(reserved) = self.reserved.get_mut().take() else { return };
        for ((_, account), reserved) in self.accounts.iter().flatten().zip(reserved) {
            account.purse.release(reserved);
        }
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet").field("reserved", &*self.reserved.lock()).finish_non_exhaustive()
    }
}

impl Crossings {
    fn note(&mut self, account: usize, cap: &Cap, book: &mut Book) {
        let Some(places) = self.0.get_mut(account) else { return };
        for (place, level) in places.iter_mut().zip([Level::Alert, Level::UsedUp]) {
            let spent = book.spent(cap.per);
            *place = book.crosses(cap, level).then_some(super::Crossing { account, level, spent, cap: *cap });
        }
    }
}

type Held = Option<(usize, Account)>;
type Books<'a> = [Option<MutexGuard<'a, Book>>; MOST_ACCOUNTS];

fn by_address(accounts: impl IntoIterator<Item = Account>) -> [Held; MOST_ACCOUNTS] {
    let mut given = accounts.into_iter().take(MOST_ACCOUNTS).enumerate();
    let mut held: [Held; MOST_ACCOUNTS] = array::from_fn(|_| given.next());
    let address =
        |held: &Held| held.as_ref().map_or(usize::MAX, |(_, account)| Arc::as_ptr(&account.purse).addr());
    held.sort_by_key(address);
    let mut last = None;
    for place in &mut held {
        let this = address(place);
        if last.replace(this) == Some(this) {
            *place = None;
        }
    }
    held
}

/// Locks them all.
fn open(accounts: &[Held; MOST_ACCOUNTS], unix: Duration) -> Books<'_> {
    accounts.each_ref().map(|held| held.as_ref().map(|(_, account)| account.purse.open(unix)))
}

/// Each account with its book.
fn both<'a, 'b>(
    accounts: &'a [Held; MOST_ACCOUNTS],
    books: &'a mut Books<'b>,
) -> impl Iterator<Item = (&'a (usize, Account), &'a mut MutexGuard<'b, Book>)> {
    accounts.iter().flatten().zip(books.iter_mut().flatten())
}

fn refusal(account: usize, cap: &Cap, book: &Book, unix: Duration) -> Refusal {
    Refusal {
        account,
        cap: *cap,
        spent: book.spent(cap.per),
        used_up: book.is_used_up(cap),
        first: false,
        resets_at: cap.per.resets_at(unix),
    }
}

/// Of several refusals the one that holds longest; of equal ones the first.
fn rank(refusal: &Refusal) -> (bool, Duration, std::cmp::Reverse<usize>) {
    (refusal.used_up, refusal.resets_at, std::cmp::Reverse(refusal.account))
}
