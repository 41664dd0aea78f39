//! Work shared out among threads, with its results in order: what comes out does not depend on how many there are.

/// What `work` makes of each item, in the order of the items; each worker has a memory of its own and a run of them.
pub(crate) fn in_order<W: Send, T: Sync, R: Send>(
    workers: &mut [W],
    items: &[T],
    work: impl Fn(&mut W, &T) -> R + Sync,
) -> Vec<R> {
    if let [worker] = workers {
        return items.iter().map(|item| work(worker, item)).collect();
    }
    let share = items.len().div_ceil(workers.len().max(1)).max(1);
    let work = &work;
    std::thread::scope(|scope| {
        let parts = workers.iter_mut().zip(items.chunks(share));
        let handles: Vec<_> = parts
            .map(|(worker, items)| scope.spawn(move || items.iter().map(|item| work(worker, item)).collect::<Vec<_>>()))
            .collect();
        let joined = handles.into_iter().map(|handle| handle.join());
        joined.flat_map(|results| results.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_on_any_number_of_threads() {
        let items: Vec<u32> = (0..23).collect();
        for threads in [1, 2, 7, 40] {
            let found = in_order(&mut vec![0; threads], &items, |seen, item| {
                *seen += 1;
                item * item
            });
            assert_eq!(found, items.iter().map(|item| item * item).collect::<Vec<_>>(), "{threads}");
        }
        assert_eq!(in_order(&mut [(); 3], &[], |(), item: &u32| *item), Vec::<u32>::new());
    }
}
