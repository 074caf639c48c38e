ln -s file link
ln -s dir dlink
ln -s nosuch dangling
ln -s ../file dir/up
ln -s /etc/passwd dir/abs
