FROM busybox
COPY dir/b/c /x/b/c
COPY dir/a /y/a
