dir/b.c
