//! Up to which event time nothing can change any more: the least over all input partitions of what each still may count.
