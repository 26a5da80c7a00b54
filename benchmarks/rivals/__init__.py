"""What people load minibatches with: one file each, written as its documentation says, in memory where it can be."""
