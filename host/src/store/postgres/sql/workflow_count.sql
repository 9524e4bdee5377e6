SELECT count(*) FROM definitions WHERE version = 1;
