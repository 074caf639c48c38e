ln -s ../../../etc out
