FROM busybox
RUN echo three > /out
