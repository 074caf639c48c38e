FROM busybox
RUN echo first > /one && echo second > /two
