touch -d @1500000000 file
touch -d @1510000000 dir/a
