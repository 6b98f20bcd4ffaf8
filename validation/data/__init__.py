"""Click data as a stream of batches that can be begun again anywhere."""
