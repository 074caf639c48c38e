FROM busybox AS a
RUN echo x > /name.txt
FROM busybox
WORKDIR /w
COPY --from=a /name.txt ./
