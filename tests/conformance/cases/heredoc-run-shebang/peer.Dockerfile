FROM busybox
RUN true
RUN echo 1 > /out
