mkdir t; echo x > t/x; tar -C t -P --transform 's,^,../../,' --owner=0 --group=0 -cf a.tar x; rm -r t
