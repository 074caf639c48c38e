FROM busybox
COPY dir/b/c /x/dir/b/c
COPY dir/a /x/dir/a
