//! Every dependency tried for real with the least harmful call, and what to mend.
