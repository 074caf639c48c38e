FROM busybox
RUN echo x > /out
