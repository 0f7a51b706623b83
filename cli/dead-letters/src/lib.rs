//! What lies in the dead-letter queues: listed with its cause, shown, replayed, dropped.
