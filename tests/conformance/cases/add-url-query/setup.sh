touch -d @1500000000 ../www/*
