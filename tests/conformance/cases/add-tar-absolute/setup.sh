mkdir t; echo x > t/x; tar -C t -P --transform 's,^,/abs/,' --mtime=@1600000000 --owner=0 --group=0 -cf a.tar x; rm -r t
