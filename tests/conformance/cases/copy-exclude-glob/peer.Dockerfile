FROM busybox
COPY exec /1/
COPY dir/a dir/.hidden /2/
