FROM busybox
COPY file exec /1/
COPY dir/a /1/dir/
