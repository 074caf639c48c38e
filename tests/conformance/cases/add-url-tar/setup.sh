touch -d @1500000000 ../www/*
mkdir t; echo x > t/x; tar -C t --mtime=@1600000000 --owner=0 --group=0 -c x | gzip -n > ../www/a.tar.gz; rm -r t
