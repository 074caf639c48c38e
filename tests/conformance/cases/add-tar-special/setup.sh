mkdir -p t/s && mkfifo t/s/p && mknod t/s/c c 1 3 && tar -C t --mtime=@1600000000 -cf a.tar s && rm -r t
