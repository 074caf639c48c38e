FROM busybox
COPY dir/b/c /x/dir/b/c
COPY file /x/
COPY dir/b/c /y/dir/b/c
COPY dir /z/dir/
