//! Waits for one future on the calling thread. The admin client's futures are completed by a thread of their own, so
//! no runtime is needed.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::block_on;

    #[test]
    fn a_future_that_another_thread_completes_is_waited_for() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut handed = false;
        let future = std::future::poll_fn(move |context| {
            if let Ok(number) = receiver.try_recv() {
                return std::task::Poll::Ready(number);
            }
            if !handed {
                handed = true;
                let (waker, sender) = (context.waker().clone(), sender.clone());
                std::thread::spawn(move || {
                    sender.send(7).expect("the receiver lives in the future");
                    waker.wake();
                });
            }
            std::task::Poll::Pending
        });
        assert_eq!(block_on(future), 7);
    }
}
