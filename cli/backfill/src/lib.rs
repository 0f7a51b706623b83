//! Many tests synced at an operator's wish: chosen, planned, published at a pace, followed until all are done.
