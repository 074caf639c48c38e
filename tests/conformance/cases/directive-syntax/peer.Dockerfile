FROM busybox
RUN echo syntax > /out
