-- The original's table stays, with its rows: an earlier step than this one is the original itself.
DO 0;
