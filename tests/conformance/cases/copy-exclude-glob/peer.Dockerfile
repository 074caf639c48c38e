FROM busybox
COPY f* e* /1/
COPY dir/* /2/
