FROM busybox
ADD dir /1
RUN rm -r /1/b
